import Checkpoints
import Kernels
import MessagePassing
import Models
import OpenMPI
import Plans
import Tokens
import Training

/// The program that tests start under mpirun to train for real.
///
///     mpirun -n 4 training-checks train FOLDER dp=2 pp=2 schedule=zbv vpp=2
///       three steps of a reference checkpoint: prints each loss, and the bits of its number
@main struct TrainingChecks {
  static func main() throws {
    try MPISession.run(timeout: .seconds(240)) { world in
      setMatmulThreads(1)
      let arguments = Array(CommandLine.arguments.dropFirst())
      let options = Options(arguments.filter { $0.contains("=") })
      switch arguments.first {
      case "train": try train(arguments[1], options, world)
      default: throw UsageError(description: "say train FOLDER")
      }
    }
  }

  static func train(_ folder: String, _ options: Options, _ world: MPICommunicator) throws {
    let architecture = try Architecture.named("\(folder)/config.json").withoutMultiTokenPrediction
    let outputs = try SafetensorsFile(path: "\(folder)/io.safetensors")
    let parameters = try SafetensorsFile(path: "\(folder)/model.safetensors")
    guard let shape = outputs.tensor(named: "input_ids")?.shape else {
      throw UsageError(description: "\(folder) has no input_ids")
    }
    let tokens = try outputs.integers("input_ids").map { Int32($0) }
    var plan = options.plan
    plan.globalBatch = shape[0]
    plan.sequenceLength = shape[1] - 1
    let rows = Rows(tokens: tokens, length: shape[1])
    let trainer = try RankTrainer(architecture, plan, world, rows)
    for slice in trainer.slices {
      let values = try parameters.floats(slice.tensor.sharedWith ?? slice.tensor.name)
      _ = trainer.values(slice).update(fromContentsOf: values)
    }
    for _ in 0..<3 {
      let result = try trainer.step(learningRate: 0.01)
      if world.rank == 0 { print("loss \(result.loss) \(result.loss.bitPattern)") }
    }
    let result = try trainer.evaluate()
    if world.rank == 0 { print("loss \(result.loss) \(result.loss.bitPattern)") }
  }
}

/// What is wrong with how the program was called.
struct UsageError: Error, CustomStringConvertible {
  var description: String
}

/// Options of the form `key=value`.
struct Options {
  private var values: [String: String] = [:]

  init(_ arguments: [String]) {
    for argument in arguments {
      let parts = argument.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
    }
  }

  subscript(key: String, usual: Int) -> Int { values[key].flatMap { Int($0) } ?? usual }

  var plan: Plan {
    var plan = Plan()
    plan.precision = .float32
    plan.dataParallel = self["dp", 1]
    plan.expertParallel = self["ep", 1]
    plan.pipelineParallel = self["pp", 1]
    plan.stagesPerRank = self["vpp", 1]
    plan.zeroStage = self["zero", 1] == 0 ? .nothing : .optimizer
    plan.schedule = .named(values["schedule"] ?? "1f1b")
    plan.sendMode = values["sends"] == "eager" ? .eager : .batched
    return plan
  }
}

/// Rows of tokens, one after the other.
final class Rows: SequenceSource {
  private let tokens: [Int32]
  private let length: Int

  init(tokens: [Int32], length: Int) {
    self.tokens = tokens
    self.length = length
  }

  func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
    tokens.withUnsafeBufferPointer {
      body(UnsafeBufferPointer(rebasing: $0[index * length..<(index + 1) * length]))
    }
  }
}

import Checkpoints
import Documents
import Foundation
import MessagePassing
import Models
import Plans
import TestSupport
import Testing
import Training

/// Folders that transformers 5 wrote, and what becomes of them.
@Suite struct FamilyCheckpointTests {
  static let families = ["mistral", "qwen2", "qwen3", "mixtral", "qwen3_moe"]

  private func folder(of family: String) -> String { fixture("families/folders/\(family)") }

  /// Every number of the folder is read where it belongs, and goes back under the same names.
  @Test(arguments: families)
  func foldersComeAndGo(family: String) throws {
    let scratch = try ScratchFolder()
    let path = folder(of: family)
    let reader = try CheckpointReader(path: path)
    let (architecture, notices) = try reader.admitted(for: reader.architecture)
    #expect(notices.isEmpty && architecture.family.rawValue == family)
    for tensor in architecture.parameters {
      #expect(try reader.weights(of: tensor) == namedWeights(tensor), "\(tensor.name)")
    }
    let writer = CheckpointWriter(
      folder: CheckpointFolder(path: scratch.path), keep: 1, architecture: architecture,
      configuration: reader.configuration)
    let owned = architecture.parameters.filter { $0.sharedWith == nil }
    let pieces = CheckpointPieces(
      weights: owned, shards: [],
      numbers: { (try? reader.weights(of: $0)) ?? [] }, moments: { _, _ in [] })
    let written = try writer.write(
      pieces, state: TrainingState(step: 1), rank: 0, ranks: 1, barrier: {})
    let theirs = try SafetensorsFile(path: "\(path)/model.safetensors")
    let ours = try SafetensorsFile(path: "\(written)/model-00001-of-00001.safetensors")
    #expect(ours.tensors.map(\.name).sorted() == theirs.tensors.map(\.name).sorted())
    for tensor in theirs.tensors {
      #expect(ours.tensor(named: tensor.name)?.shape == tensor.shape, "\(tensor.name)")
      #expect(try ours.floats(tensor.name) == theirs.floats(tensor.name), "\(tensor.name)")
    }
  }

  /// A folder generates and is evaluated; with a cache as without, windows too.
  @Test(arguments: families)
  func cachesAgreeWithWholeSequences(family: String) throws {
    let model = try CheckpointModel(path: folder(of: family), tokenizer: "bytes")
    let row: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7]
    let greedy = try withRanksAsThreads(1) { communicator in
      var plan = Plan()
      plan.pipelineParallel = 1
      let generator = try TextGenerator(
        model.architecture, plan, communicator, prompt: 1, positions: row.count)
      for slice in generator.slices {
        _ = generator.values(slice).update(
          fromContentsOf: try model.reader.weights(of: slice.tensor))
      }
      return try row.map { try #require(try generator.feed([$0])) }
    }[0]
    let whole = try withRanksAsThreads(1) { communicator in
      var plan = Plan()
      plan.globalBatch = 1
      plan.sequenceLength = row.count
      plan.precision = .float32
      let trainer = try RankTrainer(
        model.architecture, plan, communicator, RepeatedRows([row + [0]]))
      try trainer.load(model.reader, resuming: false)
      var logits: [Float] = []
      _ = try trainer.logits { _, _, values in logits = Array(values) }
      return logits
    }[0]
    let width = model.architecture.vocabularySize
    for (place, scores) in greedy.enumerated() {
      let expected = whole[place * width..<(place + 1) * width]
      #expect(
        zip(scores, expected).allSatisfy { abs($0 - $1) <= 1e-4 }, "\(family) at \(place)")
    }
  }

  // MARK: Tied tables

  private let embedding = "model.embed_tokens.weight"
  private let head = "lm_head.weight"

  /// The folder of qwen2, which is tied, with its table under other names.
  private func tiedFolder(
    _ scratch: ScratchFolder, _ names: [String],
    _ change: (String, inout [Float]) -> Void = { _, _ in }
  ) throws -> String {
    let source = folder(of: "qwen2")
    let file = try SafetensorsFile(path: "\(source)/model.safetensors")
    let table = try #require(file.tensor(named: embedding))
    let rest = file.tensors.filter { $0.name != embedding }.map { ($0.name, $0.shape) }
    _ = try scratch.write(contents(of: "\(source)/config.json"), to: "config.json")
    try SafetensorsWriter.write(
      rest + names.map { ($0, table.shape) }, to: scratch.file("model.safetensors")
    ) { name in
      var numbers = (try? file.floats(names.contains(name) ? embedding : name)) ?? []
      change(name, &numbers)
      return numbers
    }
    return scratch.path
  }

  @Test(arguments: [
    ["model.embed_tokens.weight"], ["lm_head.weight"],
    ["model.embed_tokens.weight", "lm_head.weight"],
  ])
  func tiedTablesAreReadUnderEitherName(names: [String]) throws {
    let scratch = try ScratchFolder()
    let reader = try CheckpointReader(path: tiedFolder(scratch, names))
    let architecture = try reader.admitted(for: reader.architecture).architecture
    for tensor in architecture.parameters {
      #expect(try reader.weights(of: tensor) == namedWeights(tensor), "\(tensor.name)")
    }
  }

  @Test func twoTablesThatDifferAreRefused() throws {
    let scratch = try ScratchFolder()
    let path = try tiedFolder(scratch, [embedding, head]) { name, numbers in
      if name == "lm_head.weight" { numbers[17] += 0.001 }
    }
    let reader = try CheckpointReader(path: path)
    let error = #expect(throws: CheckpointError.self) {
      try reader.admitted(for: reader.architecture)
    }
    #expect(error?.tensor == head)
    #expect(error?.rule.contains(embedding) == true && error?.rule.contains("\n") == false)
  }

  @Test func noTableIsRefused() throws {
    let scratch = try ScratchFolder()
    let reader = try CheckpointReader(path: tiedFolder(scratch, []))
    let error = #expect(throws: CheckpointError.self) {
      try reader.admitted(for: reader.architecture)
    }
    #expect(error?.tensor == embedding)
  }

  /// What a model asks for that the kernels do not compute is refused in place of computed as
  /// something else.
  @Test func otherModelsDoNotRun() throws {
    let scratch = try ScratchFolder()
    let source = folder(of: "qwen3")
    for file in ["config.json", "model.safetensors"] {
      _ = try scratch.write(contents(of: "\(source)/\(file)"), to: file)
    }
    let text = String(decoding: try contents(of: "\(source)/config.json"), as: UTF8.self)
    let gelu = text.replacingOccurrences(of: "\"silu\"", with: "\"gelu\"")
    #expect(gelu != text)
    _ = try scratch.write(Array(gelu.utf8), to: "config.json")
    #expect(throws: (any Error).self) {
      try CheckpointModel(path: scratch.path, tokenizer: "bytes")
    }
  }
}

// bench-training [--smoke] MODEL [key=value…]: tokens per second of real training steps, how far forward
// and backward are from the matrix products alone, and what one rank makes of a plan.
//
//     bench-training gpt-10m
//     mpirun -np 2 bench-training gpt-10m pp=2 schedule=dualpipe microbatch=2
//
// bench-training grpo MODEL [dp=2 batch=128 prompt=16 tokens=64 rows=32 python=PROGRAM]: rollouts against
// their limit, one rank, and `generate` of transformers.
//
// On one rank every round takes a step, then makes the step's matrix products once more by themselves,
// straight through OpenBLAS: both are slowed alike by what else the machine does. Not measured here:
// reading data, checkpoints, evaluation.
import Foundation
import Kernels
import MessagePassing
import OpenMPI
import Training

let arguments = CommandLine.arguments.dropFirst()
let isSmoke = arguments.contains("--smoke")
let words = arguments.filter { !$0.hasPrefix("--") }

do {
  let options = try Options(words.filter { $0.contains("=") })
  var names = words.filter { !$0.contains("=") }
  let isRollout = names.first == "grpo"
  if isRollout { names.removeFirst() }
  guard names.count == 1, let model = BenchModel(names[0], isSmoke: isSmoke) else {
    throw UsageError("name one model of \(BenchModel.names.joined(separator: ", "))")
  }
  let missing = missingProcessorFeatures()
  guard missing.isEmpty else {
    throw UsageError("this processor lacks \(missing.joined(separator: ", "))")
  }
  setMatmulThreads(1)
  let steps = TrainingBench(model: model, options: options, rounds: isSmoke ? 1 : options.steps)
  let rollouts = RolloutBench(model: model, options: options, isSmoke: isSmoke)
  let run: @Sendable (any Communicator) throws -> Void = { world in
    if isRollout { try rollouts.run(world) } else { try steps.run(world) }
  }
  if Launch.isRank {
    try MPISession.run(timeout: .seconds(600)) { try run($0) }
  } else {
    _ = try withRanksAsThreads(1) { try run($0) }
  }
} catch {
  FileHandle.standardError.write(Data("bench-training: \(error)\n".utf8))
  exit(1)
}

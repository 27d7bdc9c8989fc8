import Foundation
import Models

/// The checkpoints whose descriptions are kept beside the tests.
let checkpoints = [
  "gpt2-tiny", "gpt2-8-layers", "llama-tiny", "llama-8-layers", "deepseek-v3-tiny",
  "deepseek-v3-8-layers",
]

func fixture(_ path: String) -> String {
  Bundle.module.bundleURL.appendingPathComponent("Fixtures/\(path)").path
}

/// A tensor as a checkpoint's header lists it.
struct SavedTensor: Hashable {
  var name: String
  var shape: [Int]
  var hasGradient: Bool
}

func savedTensors(of checkpoint: String) throws -> [SavedTensor] {
  try String(contentsOfFile: fixture("\(checkpoint)/tensors.csv"), encoding: .utf8)
    .split(separator: "\n").dropFirst().map { line in
      let cells = line.split(separator: ",").map(String.init)
      return SavedTensor(
        name: cells[0], shape: cells[1].split(separator: "x").compactMap { Int($0) },
        hasGradient: cells[2] == "yes")
    }
}

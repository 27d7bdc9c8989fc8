import Checkpoints
import Documents
import Foundation
import Models
import TestSupport
import Testing

@Suite struct CheckpointTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  @Test(arguments: SampleModel.allCases, [1, 2, 3])
  func readsWhatItWrote(model: SampleModel, ranks: Int) throws {
    let path = try writeCheckpoint(of: model, in: folder.path, step: 7, ranks: ranks)
    #expect(path == folder.file("step-00000007"))
    #expect(try isWhole(path, model, step: 7))
    let state = try CheckpointReader(path: path).state
    #expect(
      state
        == TrainingState(
          step: 7, sequences: 56, tokens: 224, seed: .max, data: "stream 7 \"x\"",
          begunFrom: "sum"))
  }

  /// Weights are the same however many ranks wrote them, and others at another step.
  @Test func weightsAreToldApart() throws {
    var all: [String?] = []
    for (place, step, ranks) in [("one", 7, 1), ("two", 7, 2), ("other", 8, 2)] {
      let path = try writeCheckpoint(
        of: .deepSeekV3, in: folder.file(place), step: step, ranks: ranks)
      all.append(CheckpointReader.weightsIdentity(at: path))
      #expect(try CheckpointReader(path: path).weightsIdentity == all.last)
    }
    #expect(all[0] != nil && all[0] == all[1] && all[1] != all[2])
    #expect(CheckpointReader.weightsIdentity(at: folder.path) == nil)
  }

  /// What transformers looks for: an index of exactly the model's tensors, none twice, prediction
  /// modules apart, the format's mark in the metadata.
  @Test func layoutIsHuggingFaces() throws {
    let path = try writeCheckpoint(of: .deepSeekV3, in: folder.path, step: 1, ranks: 2)
    let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    #expect(
      names == [
        "config.json", "manifest.json", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors", "model.safetensors.index.json", "mtp.safetensors",
        "optimizer-00001-of-00002.safetensors", "optimizer-00002-of-00002.safetensors",
        "state.json",
      ])
    #expect(try contents(of: "\(path)/config.json") == Array(SampleModel.deepSeekV3.rawValue.utf8))
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(path)/model.safetensors.index.json"))
    let index = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let map = try #require(index["weight_map"] as? [String: String])
    let architecture = try SampleModel.deepSeekV3.architecture()
    let expected = architecture.written.filter { !$0.unit.isPrediction }
    #expect(map.keys.sorted() == expected.map(\.name).sorted())
    let size = try #require((index["metadata"] as? [String: Any])?["total_size"] as? Int)
    #expect(size == 4 * expected.reduce(0) { $0 + $1.count })
    for (tensor, file) in map {
      let opened = try SafetensorsFile(path: "\(path)/\(file)")
      #expect(opened.tensor(named: tensor) != nil)
      #expect(opened.metadata["format"] == "pt")
    }
    let prediction = try SafetensorsFile(path: "\(path)/mtp.safetensors").tensors.map(\.name)
    #expect(prediction.contains("model.layers.2.eh_proj.weight"))
    #expect(prediction.allSatisfy { $0.hasPrefix("model.layers.2.") })
    #expect(!prediction.contains("model.layers.2.embed_tokens.weight"))
  }

  @Test func tiedHeadIsWrittenOnce() throws {
    let path = try writeCheckpoint(of: .gpt2, in: folder.path, step: 1, ranks: 1)
    let file = try SafetensorsFile(path: "\(path)/model-00001-of-00001.safetensors")
    #expect(file.tensor(named: "lm_head.weight") == nil)
    let head = try #require(
      SampleModel.gpt2.architecture().parameters.first { $0.name == "lm_head.weight" })
    let reader = try CheckpointReader(path: path)
    #expect(try reader.weights(of: head).count == head.count)
  }

  @Test func keepsAsManyAsAsked() throws {
    for step in [1, 2, 3, 10] {
      try writeCheckpoint(of: .llama, in: folder.path, step: step, ranks: 1, keep: 2)
    }
    let checkpoints = CheckpointFolder(path: folder.path)
    #expect(checkpoints.steps() == [3, 10])
    #expect(checkpoints.latest == folder.file("step-00000010"))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(names.count == 2)
    // Writing a step again replaces it.
    try writeCheckpoint(of: .llama, in: folder.path, step: 10, ranks: 2, keep: 2)
    #expect(checkpoints.steps() == [3, 10])
    #expect(try isWhole(folder.file("step-00000010"), .llama, step: 10))
  }

  /// What a start that was killed within its trial of the folder left is cleared away, and nothing else.
  @Test func trialsOfKilledStartsGo() throws {
    for (name, text) in [
      (".sluice-123", ""), (".sluice-124", "full"), (".sluice-mine", ""), ("sluice-125", ""),
    ] {
      _ = try folder.write(text, to: name)
    }
    #expect(try CheckpointFolder(path: folder.path).recover().isEmpty)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == [
        ".sluice-124", ".sluice-mine", "sluice-125",
      ])
  }

  /// Moments written by one division among ranks are read in any other.
  @Test func momentsAreReadInAnyRange() throws {
    let path = try writeCheckpoint(of: .llama, in: folder.path, step: 2, ranks: 3)
    let reader = try CheckpointReader(path: path)
    let tensor = try #require(SampleModel.llama.architecture().written.first)
    let whole = numbers("second \(tensor.name)", count: tensor.count, step: 2)
    for start in 0..<tensor.count {
      for end in start...tensor.count {
        #expect(
          try reader.moment(.second, of: tensor, in: start..<end) == Array(whole[start..<end]))
      }
    }
  }

  @Test func whatIsMissingOrDoubleIsRefused() throws {
    let architecture = try SampleModel.llama.architecture()
    let writer = CheckpointWriter(
      folder: CheckpointFolder(path: folder.path), keep: 1, architecture: architecture,
      configuration: Array(SampleModel.llama.rawValue.utf8))
    func error(_ change: (inout CheckpointPieces) -> Void) -> CheckpointError? {
      var own = pieces(of: architecture, rank: 0, ranks: 1, step: 1)
      change(&own)
      return #expect(throws: CheckpointError.self) {
        try writer.write(own, state: TrainingState(step: 1), rank: 0, ranks: 1, barrier: {})
      }
    }
    #expect(error { $0.weights.removeLast() }?.tensor == architecture.written.last?.name)
    #expect(error { $0.shards.removeFirst() }?.tensor == architecture.written.first?.name)
    #expect(writer.folder.steps().isEmpty)
  }
}

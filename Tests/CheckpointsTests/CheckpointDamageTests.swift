import Checkpoints
import Documents
import Foundation
import Models
import Quantities
import TestSupport
import Testing

/// A kill at any byte, a full disk, flipped bits, and checkpoints of something else.
@Suite struct CheckpointDamageTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// A kill at any byte leaves the checkpoint before as it was.
  ///
  /// What is on the disk after a kill is made by hand, for every byte that a checkpoint writes: the
  /// files before are whole, one is cut, the later ones are not there.
  @Test func killAtAnyByteLeavesThePreviousOne() throws {
    try writeCheckpoint(of: .llama, in: folder.path, step: 1, ranks: 1)
    let next = try writeCheckpoint(of: .llama, in: folder.path, step: 2, ranks: 1)
    let names = try FileManager.default.contentsOfDirectory(atPath: next).sorted()
    let files = try names.map { ($0, try contents(of: "\(next)/\($0)")) }
    try FileManager.default.removeItem(atPath: next)
    let partial = folder.file(".step-00000002.partial")
    try FileManager.default.createDirectory(
      atPath: partial, withIntermediateDirectories: false)
    let checkpoints = CheckpointFolder(path: folder.path)
    for (name, bytes) in files {
      // Appending by turns leaves every length of every file on the disk once.
      try Data().write(to: URL(fileURLWithPath: "\(partial)/\(name)"))
      let handle = try #require(FileHandle(forWritingAtPath: "\(partial)/\(name)"))
      for byte in bytes {
        #expect(checkpoints.steps() == [1])
        try handle.write(contentsOf: [byte])
      }
      try handle.close()
      #expect(try isWhole(folder.file("step-00000001"), .llama, step: 1))
    }
    // And the next attempt succeeds over what was left.
    try writeCheckpoint(of: .llama, in: folder.path, step: 2, ranks: 2)
    #expect(try isWhole(folder.file("step-00000002"), .llama, step: 2))
    let left = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(left == ["step-00000001", "step-00000002"])
  }

  /// Even under its final name a file that is cut at any length is recognised.
  @Test func everyCutIsRefused() throws {
    let path = try writeCheckpoint(of: .llama, in: folder.path, step: 1, ranks: 1)
    for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() {
      let whole = try contents(of: "\(path)/\(name)")
      for count in stride(from: 0, to: whole.count, by: max(1, whole.count / 40)) {
        #expect(truncate("\(path)/\(name)", off_t(count)) == 0)
        let error = try #require(throws: CheckpointError.self) {
          try CheckpointReader(path: path).verify()
        }
        #expect(error.file.contains(name), "\(error)")
      }
      try Data(whole).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }
    #expect(try isWhole(path, .llama, step: 1))
  }

  @Test func everyFlippedBitIsFound() throws {
    let path = try writeCheckpoint(of: .deepSeekV3, in: folder.path, step: 1, ranks: 2)
    for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() {
      let whole = try contents(of: "\(path)/\(name)")
      var generator = SeededGenerator(seed: UInt64(whole.count))
      for _ in 0..<25 {
        var bytes = whole
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
        let error = try #require(throws: CheckpointError.self, "\(name) at \(place)") {
          try CheckpointReader(path: path).verify()
        }
        #expect(error.description.contains(name), "\(error)")
      }
      try Data(whole).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }
  }

  @Test func flippedBitNamesFileAndTensor() throws {
    let path = try writeCheckpoint(of: .llama, in: folder.path, step: 1, ranks: 1)
    let file = "\(path)/model-00001-of-00001.safetensors"
    let tensor = try #require(SafetensorsFile(path: file).tensor(named: "model.norm.weight"))
    var bytes = try contents(of: file)
    bytes[tensor.bytes.lowerBound] ^= 1
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    let reader = try CheckpointReader(path: path)
    let error = #expect(throws: CheckpointError.self) { try reader.verify() }
    #expect(error?.file == file && error?.tensor == "model.norm.weight")
    // Who loads without verifying finds it too.
    let norm = try #require(
      reader.architecture.written.first { $0.name == "model.norm.weight" })
    let loading = #expect(throws: CheckpointError.self) { try reader.weights(of: norm) }
    #expect(loading?.tensor == "model.norm.weight" && loading?.kind == .damaged)
  }

  /// What is wrong with the index is said of the index, whichever file it leads to.
  @Test(arguments: [
    ("model-00001-of-00001.safetensors", "model-00009-of-00009.safetensors", "is not there"),
    ("model.norm.weight", "model.norm.wiehgt", "which does not have it"),
    ("weight_map", "weight_mop", "has no weight_map"), ("{", "[", "at byte"),
  ])
  func theIndexIsBlamedForItself(found: String, other: String, says: String) throws {
    let path = try writeCheckpoint(of: .llama, in: folder.path, step: 1, ranks: 1)
    let index = "\(path)/model.safetensors.index.json"
    let text = String(decoding: try contents(of: index), as: UTF8.self)
    let damaged = text.replacingOccurrences(of: found, with: other)
    #expect(damaged != text)
    try Data(damaged.utf8).write(to: URL(fileURLWithPath: index))
    let altered = #expect(throws: CheckpointError.self) { try CheckpointReader(path: path) }
    #expect(altered?.file == index && altered?.kind == .damaged)
    // As another program would have saved it, without checksums.
    try FileManager.default.removeItem(atPath: "\(path)/manifest.json")
    let error = #expect(throws: CheckpointError.self) { try CheckpointReader(path: path) }
    #expect(error?.file == index && error?.kind == .damaged)
    #expect(error?.rule.contains(says) == true, "\(error?.rule ?? "")")
  }

  @Test func anotherModelIsRefused() throws {
    let path = try writeCheckpoint(of: .llama, in: folder.path, step: 1, ranks: 1)
    let reader = try CheckpointReader(path: path)
    let other = #expect(throws: CheckpointError.self) {
      try reader.admitted(for: SampleModel.gpt2.architecture())
    }
    #expect(other?.kind == .mismatched)
    #expect(other?.file == "\(path)/config.json")
    var wider = reader.architecture
    wider.vocabularySize = 6
    let error = #expect(throws: CheckpointError.self) { try reader.admitted(for: wider) }
    #expect(error?.rule == "is of another model: vocab_size is 5, and the run's is 6")
    #expect(other?.rule.contains("model_type is \"llama\", and the run's is \"gpt2\"") == true)
    var deeper = reader.architecture
    deeper.normalization = .rmsNorm(epsilon: 0.5)
    let epsilon = #expect(throws: CheckpointError.self) { try reader.admitted(for: deeper) }
    #expect(epsilon?.rule.contains("rms_norm_eps is ") == true)
    // A configuration that agrees over tensors that do not.
    let config = SampleModel.llama.rawValue.replacingOccurrences(
      of: "\"vocab_size\": 5", with: "\"vocab_size\": 6")
    let copy = folder.file("copy")
    try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
    _ = try folder.write(config, to: "copy/config.json")
    try FileManager.default.copyItem(
      atPath: "\(path)/model-00001-of-00001.safetensors", toPath: "\(copy)/model.safetensors")
    let shape = #expect(throws: CheckpointError.self) {
      try CheckpointReader(path: copy).admitted(for: wider)
    }
    #expect(shape?.tensor == "model.embed_tokens.weight")
    #expect(shape?.rule == "has the shape [5, 4], and the model's is [6, 4]")
  }

  @Test func absentPredictionModulesAreOffWithANotice() throws {
    let path = try writeCheckpoint(of: .deepSeekV3, in: folder.path, step: 1, ranks: 1)
    // As another program would have saved it: no manifest, no prediction modules.
    try FileManager.default.removeItem(atPath: "\(path)/mtp.safetensors")
    try FileManager.default.removeItem(atPath: "\(path)/manifest.json")
    let wanted = try SampleModel.deepSeekV3.architecture()
    let (found, notices) = try CheckpointReader(path: path).admitted(for: wanted)
    #expect(found == wanted.withoutMultiTokenPrediction)
    #expect(notices.count == 1)
  }

  /// The operating system stops the writing in the middle of a file: a clear error, and the
  /// checkpoint before stays.
  @Test func refusedWriteLeavesThePreviousOne() async throws {
    let path = folder.path
    try writeCheckpoint(of: .llama, in: path, step: 1, ranks: 1)
    let result = await #expect(processExitsWith: .exitCode(4), observing: [\.standardErrorContent])
    {
      [path = path as String] in
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 1500, rlim_max: 1500)
      setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      do {
        try writeCheckpoint(of: .llama, in: path, step: 2, ranks: 1)
      } catch let error as CheckpointError {
        FileHandle.standardError.write(Data("\(error)".utf8))
        exit(4)
      }
    }
    let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(message.contains("safetensors"))
    #expect(message.contains("cannot be written: File too large"))
    #expect(CheckpointFolder(path: path).steps() == [1])
    #expect(try isWhole("\(path)/step-00000001", .llama, step: 1))
  }

  /// The operating system kills the process at a byte of its choice, for real.
  @Test(arguments: [1, 700, 1400, 2100, 2900])
  func killedWriterLeavesThePreviousOne(limit: Int) async throws {
    let path = folder.path
    try writeCheckpoint(of: .llama, in: path, step: 1, ranks: 1)
    await #expect(processExitsWith: .failure) {
      [path = path as String, limit = limit as Int] in
      var limits = rlimit(rlim_cur: rlim_t(limit), rlim_max: rlim_t(limit))
      setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limits)
      try writeCheckpoint(of: .llama, in: path, step: 2, ranks: 1)
    }
    #expect(CheckpointFolder(path: path).steps() == [1])
    #expect(try isWhole("\(path)/step-00000001", .llama, step: 1))
    try writeCheckpoint(of: .llama, in: path, step: 2, ranks: 1)
    #expect(try isWhole("\(path)/step-00000002", .llama, step: 2))
  }
}

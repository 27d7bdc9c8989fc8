import Documents
import Foundation
import Models

/// A checkpoint that is open for reading: one of sluice's, or any in Hugging Face's layout.
///
/// Opening checks names, shapes and lengths; `verify()` reads every byte. Each rank reads what its
/// plan wants of it, whatever plan wrote it.
public struct CheckpointReader: Sendable {
  /// The folder.
  public let path: String
  /// The model that `config.json` describes.
  public let architecture: Architecture
  /// The `config.json` as it is.
  public let configuration: [UInt8]
  /// Where training stood; nil in a checkpoint of another program.
  public let state: TrainingState?
  private let files: [SafetensorsFile]
  private let fileOfTensor: [String: Int]
  private let moments: MomentIndex
  let manifest: Manifest?
  private let checksums: [String: String]
  /// The names of embedding and head where they are one tensor.
  private let tied: (embedding: String, head: String)?

  /// Opens the checkpoint in a folder.
  ///
  /// - Throws: `CheckpointError`, or `ConfigurationError` for a `config.json` that describes no model
  ///   that sluice knows.
  public init(path: String) throws {
    self.path = path
    let manifest = try Self.readManifest(path)
    let config = try InputFile(path: "\(path)/config.json")
    configuration = try config.allBytes(limit: 1 << 20)
    if let manifest {
      for file in manifest.files { try file.verifySize(InputFile(path: "\(path)/\(file.name)")) }
    }
    architecture = try Architecture.named("\(path)/config.json")
    tied = architecture.tiedNames
    let opened = try Self.openWeights(path)
    var fileOfTensor: [String: Int] = [:]
    for (index, file) in opened.enumerated() {
      for tensor in file.tensors where fileOfTensor.updateValue(index, forKey: tensor.name) != nil {
        throw CheckpointError(
          .damaged, file: file.path, tensor: tensor.name, rule: "is in two files")
      }
    }
    files = opened
    self.fileOfTensor = fileOfTensor
    self.manifest = manifest
    var moments = MomentIndex()
    var checksums: [String: String] = [:]
    for file in manifest?.files ?? [] {
      if file.name.hasPrefix("optimizer-") {
        try moments.add(SafetensorsFile(path: "\(path)/\(file.name)"))
      } else {
        for tensor in file.tensors { checksums[tensor.name] = tensor.checksum }
      }
    }
    self.moments = moments
    self.checksums = checksums
    let statePath = "\(path)/state.json"
    state =
      manifest?.files.contains { $0.name == "state.json" } == true
      ? try TrainingState(InputFile(path: statePath).allBytes(limit: 1 << 20), file: statePath)
      : nil
  }

  /// The manifest; what it lists of small files, which lead to all others, is read and compared.
  private static func readManifest(_ path: String) throws(CheckpointError) -> Manifest? {
    let file = "\(path)/\(Manifest.name)"
    guard FileManager.default.fileExists(atPath: file) else { return nil }
    let manifest = try Manifest(InputFile(path: file).allBytes(limit: 1 << 30), file: file)
    for file in manifest.files where ["config.json", "state.json", indexName].contains(file.name) {
      try file.verify(in: path)
    }
    return manifest
  }

  static let indexName = "model.safetensors.index.json"

  /// The files with weights: those that the index names, or the only one; prediction modules last.
  private static func openWeights(_ path: String) throws(CheckpointError) -> [SafetensorsFile] {
    let indexPath = "\(path)/\(indexName)"
    var names: [String] = []
    var listed: [(tensor: String, file: String)] = []
    if FileManager.default.fileExists(atPath: indexPath) {
      let index = try JSONValue(InputFile(path: indexPath).allBytes(limit: 1 << 30), of: indexPath)
      guard let map = index["weight_map"]?.entries, !map.isEmpty else {
        throw CheckpointError(.damaged, file: indexPath, rule: "has no weight_map with tensors")
      }
      for entry in map {
        guard let name = entry.value.text, isPlainName(name) else {
          throw CheckpointError(
            .damaged, file: indexPath, tensor: entry.key, rule: "is in no file of the folder")
        }
        guard FileManager.default.fileExists(atPath: "\(path)/\(name)") else {
          throw CheckpointError(
            .damaged, file: indexPath, tensor: entry.key,
            rule: "is said to be in \(name), which is not there")
        }
        listed.append((entry.key, name))
      }
      names = Set(listed.map(\.file)).sorted()
    } else {
      names = ["model.safetensors"]
    }
    if FileManager.default.fileExists(atPath: "\(path)/\(CheckpointWriter.predictionName)") {
      names.append(CheckpointWriter.predictionName)
    }
    var files: [String: SafetensorsFile] = [:]
    for name in names { files[name] = try SafetensorsFile(path: "\(path)/\(name)") }
    for (tensor, name) in listed where files[name]?.tensor(named: tensor) == nil {
      throw CheckpointError(
        .damaged, file: indexPath, tensor: tensor,
        rule: "is said to be in \(name), which does not have it")
    }
    return names.compactMap { files[$0] }
  }
}

extension CheckpointReader {
  /// Reads every byte and compares it with the checksums that were written.
  ///
  /// Of no effect in a checkpoint of another program, which has none. Some 1 GB/s.
  public func verify() throws(CheckpointError) {
    for file in manifest?.files ?? [] { try file.verify(in: path) }
  }

  /// The model as it can be loaded from here for a run of `wanted`.
  ///
  /// - Returns: `wanted`, or `wanted` without its prediction modules and a notice, where the
  ///   checkpoint has none of their weights.
  /// - Throws: `CheckpointError` naming the setting, or the file and tensor, that does not fit.
  public func admitted(
    for wanted: Architecture
  ) throws(CheckpointError) -> (architecture: Architecture, notices: [String]) {
    if let difference = architecture.difference(from: wanted) {
      throw CheckpointError(
        .mismatched, file: "\(path)/config.json", rule: "is of another model: \(difference)")
    }
    for tensor in wanted.checkpointTensors { try check(tensor) }
    try checkTie()
    let prediction = wanted.predictionTensors
    guard !prediction.isEmpty else { return (wanted, []) }
    guard prediction.contains(where: { location(of: $0.name) != nil }) else {
      return (
        wanted.withoutMultiTokenPrediction,
        ["\(path) has no weights of multi-token prediction: it is off"]
      )
    }
    for tensor in prediction { try check(tensor) }
    return (wanted, [])
  }

  /// A tensor is there and has its shape; a copy's original stands for it.
  private func check(_ tensor: ParameterTensor) throws(CheckpointError) {
    let (file, stored) = try required(tensor)
    guard stored.shape == tensor.shape else {
      throw CheckpointError(
        .mismatched, file: file.path, tensor: stored.name,
        rule: "has the shape \(stored.shape), and the model's is \(tensor.shape)")
    }
  }

  /// Where a tied table is stored under both names, both are the same numbers.
  ///
  /// Some programs store it twice. Two different ones are no tied model: which of them was trained,
  /// nothing says.
  private func checkTie() throws(CheckpointError) {
    guard let tied, let embedding = place(of: tied.embedding), let head = place(of: tied.head)
    else { return }
    let (one, other) = (embedding.stored, head.stored)
    var isEqual = one.shape == other.shape
    if isEqual {
      let (mine, theirs) = (
        try embedding.file.floats(one.name), try head.file.floats(other.name)
      )
      isEqual = mine.map(\.bitPattern) == theirs.map(\.bitPattern)
    }
    guard !isEqual else { return }
    throw CheckpointError(
      .mismatched, file: head.file.path, tensor: other.name,
      rule: "is not \(one.name), and config.json says that they are one tensor "
        + "(tie_word_embeddings true)")
  }

  /// The numbers of a tensor, row by row as the checkpoint has them.
  ///
  /// A copy of another tensor gives that tensor's. The checksum is compared where there is one.
  public func weights(of tensor: ParameterTensor) throws(CheckpointError) -> [Float] {
    try check(tensor)
    let (file, stored) = try required(tensor)
    let numbers = try file.floats(stored.name)
    if stored.type == .float32, let expected = checksums[stored.name] {
      var sum = Checksum()
      numbers.withUnsafeBytes { sum.add($0) }
      guard sum.text == expected else {
        throw CheckpointError(
          .damaged, file: file.path, tensor: stored.name,
          rule: "does not match its checksum: it was altered")
      }
    }
    return numbers
  }

  /// Whether there is optimizer state.
  public var holdsMoments: Bool { !moments.isEmpty }

  /// A range of the optimizer state of a tensor, counted through its numbers row by row.
  public func moment(
    _ moment: CheckpointPieces.Moment, of tensor: ParameterTensor, in range: Range<Int>
  ) throws(CheckpointError) -> [Float] {
    try moments.read(moment, of: tensor, in: range)
  }

  private func required(
    _ tensor: ParameterTensor
  ) throws(CheckpointError) -> (SafetensorsFile, StoredTensor) {
    let name = tensor.sharedWith ?? tensor.name
    if let found = location(of: name) { return found }
    throw CheckpointError(.mismatched, file: path, tensor: name, rule: "is missing")
  }

  /// Where a tensor lies; a tied table may be stored under the head's name alone.
  private func location(of name: String) -> (file: SafetensorsFile, stored: StoredTensor)? {
    if let found = place(of: name) { return found }
    guard let tied, name == tied.embedding else { return nil }
    return place(of: tied.head)
  }

  /// Where a tensor lies under its own name.
  ///
  /// Some of GPT-2's checkpoints leave `transformer.` out of every name.
  private func place(of name: String) -> (file: SafetensorsFile, stored: StoredTensor)? {
    let short = name.hasPrefix("transformer.") ? String(name.dropFirst(12)) : name
    for candidate in [name, short] {
      if let index = fileOfTensor[candidate], let stored = files[index].tensor(named: candidate) {
        return (files[index], stored)
      }
    }
    return nil
  }
}

extension Architecture {
  /// The first setting that makes the computation another one; nil if there is none.
  package func difference(from other: Architecture) -> String? {
    var (a, b) = (self, other)
    // What does not change what is computed.
    (a.name, b.name) = ("", "")
    (a.notices, b.notices) = ([], [])
    (a.initializerRange, b.initializerRange) = (0, 0)
    (a.joinedBalance, b.joinedBalance) = (0, 0)
    (a.multiTokenPrediction, b.multiTokenPrediction) = (0, 0)
    guard a != b else { return nil }
    let (mine, theirs) = (a.settings, b.settings)
    for key in (mine.entries ?? []).map(\.key) + (theirs.entries ?? []).map(\.key) {
      let (found, wanted) = (mine[key] ?? .null, theirs[key] ?? .null)
      guard found != wanted, key != "architectures" else { continue }
      return "\(key) is \(found.shown), and the run's is \(wanted.shown)"
    }
    return "a setting differs that config.json leaves to the kind of model"
  }

  /// The names of embedding and head where they are one tensor.
  fileprivate var tiedNames: (embedding: String, head: String)? {
    guard tiedEmbeddings, let head = parameters(of: .head).first(where: { $0.role == .head }),
      let embedding = head.sharedWith
    else { return nil }
    return (embedding, head.name)
  }

  /// The model as its `config.json` would have it.
  private var settings: JSONValue { (try? JSONValue(Array(configJSON().utf8))) ?? .null }
}

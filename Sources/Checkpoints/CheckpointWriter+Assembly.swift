import Documents
import Foundation
import Models

extension CheckpointWriter {
  /// Makes one checkpoint of what the ranks wrote: final names, index, configuration, state,
  /// manifest.
  func assemble(state: TrainingState, ranks: Int) throws(CheckpointError) {
    let partial = folder.partial(atStep: state.step)
    var written: [[WrittenFile]] = []
    for rank in 0..<ranks {
      let path = "\(partial)/\(Self.reportName(ofRank: rank))"
      written.append(
        try Manifest(InputFile(path: path).allBytes(limit: 1 << 30), file: path).files)
    }
    let weights = try rename(written, kind: "weights", to: "model", in: partial)
    let moments = try rename(written, kind: "optimizer", to: "optimizer", in: partial)
    try checkCoverage(weights, of: architecture.checkpointTensors, in: partial)
    try checkMoments(moments, in: partial)
    var files = weights + moments
    if let prediction = try mergePrediction(written, in: partial) { files.append(prediction) }
    for rank in 0..<ranks { unlink("\(partial)/\(Self.reportName(ofRank: rank))") }
    let texts =
      [
        (CheckpointReader.indexName, index(of: weights)), ("config.json", configuration),
        ("state.json", Array(state.text.utf8)),
      ] + attachments.map { ($0.name, $0.bytes) }
    for (name, bytes) in texts {
      try GrowingFile.write(bytes, to: "\(partial)/\(name)")
      files.append(
        WrittenFile(name: name, bytes: bytes.count, checksum: Checksum.text(of: bytes), tensors: [])
      )
    }
    try GrowingFile.write(Manifest(files: files).bytes, to: "\(partial)/\(Manifest.name)")
  }

  /// Numbers the ranks' files of a kind through, in the order of ranks.
  private func rename(
    _ written: [[WrittenFile]], kind: String, to stem: String, in partial: String
  ) throws(CheckpointError) -> [WrittenFile] {
    var files: [WrittenFile] = []
    for (rank, own) in written.enumerated() {
      files += own.filter { $0.name == Self.pieceName(kind, ofRank: rank) }
    }
    func digits(_ number: Int) -> String {
      String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number)
    }
    for index in files.indices {
      let name = "\(stem)-\(digits(index + 1))-of-\(digits(files.count)).safetensors"
      try move("\(partial)/\(files[index].name)", to: "\(partial)/\(name)")
      files[index].name = name
    }
    return files
  }

  /// Every tensor of the model is in the files, once.
  private func checkCoverage(
    _ files: [WrittenFile], of tensors: [ParameterTensor], in partial: String
  ) throws(CheckpointError) {
    var missing = Set(tensors.map(\.name))
    for file in files {
      for tensor in file.tensors where missing.remove(tensor.name) == nil {
        throw CheckpointError(
          .mismatched, file: "\(partial)/\(file.name)", tensor: tensor.name,
          rule: "is not the model's, or was written by two ranks")
      }
    }
    if let lost = tensors.first(where: { missing.contains($0.name) }) {
      throw CheckpointError(
        .mismatched, file: partial, tensor: lost.name, rule: "was written by no rank")
    }
  }

  /// Shards of optimizer state cover every trained tensor once, or there are none at all.
  private func checkMoments(_ files: [WrittenFile], in partial: String) throws(CheckpointError) {
    guard !files.isEmpty else { return }
    var index = MomentIndex()
    for file in files {
      try index.add(SafetensorsFile(path: "\(partial)/\(file.name)"))
    }
    for tensor in (architecture.checkpointTensors + architecture.predictionTensors)
    where tensor.isTrained {
      try index.checkCoverage(of: tensor, in: partial)
    }
  }

  /// The entry of the file that all ranks with prediction tensors wrote into.
  private func mergePrediction(
    _ written: [[WrittenFile]], in partial: String
  ) throws(CheckpointError) -> WrittenFile? {
    let tensors = architecture.predictionTensors
    guard !tensors.isEmpty else { return nil }
    let parts = written.flatMap { $0 }.filter { $0.name == Self.predictionName }
    try checkCoverage(parts, of: tensors, in: partial)
    let layout = predictionLayout
    let sums = parts.flatMap(\.tensors)
    let places = Dictionary(uniqueKeysWithValues: sums.map { ($0.name, $0) })
    return WrittenFile(
      name: Self.predictionName, bytes: layout.fileSize,
      checksum: Checksum.text(of: layout.header), tensors: tensors.compactMap { places[$0.name] })
  }

  /// The text of `model.safetensors.index.json`.
  private func index(of files: [WrittenFile]) -> [UInt8] {
    let size = architecture.checkpointTensors.reduce(0) { $0 + 4 * $1.count }
    let names = files.flatMap { file in file.tensors.map { ($0.name, file.name) } }
    let lines = names.sorted { Array($0.0.utf8).lexicographicallyPrecedes(Array($1.0.utf8)) }
      .map { "    \(JSONValue.quoted($0.0)): \(JSONValue.quoted($0.1))" }
    return Array(
      """
      {
        "metadata": {
          "total_size": \(size)
        },
        "weight_map": {
      \(lines.joined(separator: ",\n"))
        }
      }

      """.utf8)
  }
}

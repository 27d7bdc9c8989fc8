import Documents
import Foundation
import Models

/// Writes checkpoints that several ranks contribute to.
///
/// The layout is Hugging Face's: `config.json`, `model-00001-of-00004.safetensors` with
/// `model.safetensors.index.json`, and beside it what transformers does not read: prediction
/// modules in `mtp.safetensors`, moments in `optimizer-00001-of-00004.safetensors`, the position in
/// `state.json`, checksums in `manifest.json`. Nothing in it depends on the plan but the number of
/// files. The folder must lie on a file system that all contributing ranks share.
///
/// Everything is written in a folder with a hidden name, forced to the disk, and named last: a
/// process killed at any byte leaves the checkpoints before it as they were.
public struct CheckpointWriter: Sendable {
  /// A file that is copied into each checkpoint, such as a tokenizer.
  public struct Attachment: Hashable, Sendable {
    public var name: String
    public var bytes: [UInt8]

    public init(name: String, bytes: [UInt8]) {
      precondition(isPlainName(name))
      self.name = name
      self.bytes = bytes
    }
  }

  public let folder: CheckpointFolder
  /// Checkpoints that are kept, at least 1.
  public let keep: Int
  /// The model; without prediction modules where they are not trained.
  public let architecture: Architecture
  /// The `config.json`, written as it is.
  public let configuration: [UInt8]
  /// Further files for each checkpoint.
  public var attachments: [Attachment]
  /// Steps of checkpoints that are never removed, since the run reads them.
  public var spared: Set<Int>

  public init(
    folder: CheckpointFolder, keep: Int, architecture: Architecture, configuration: [UInt8],
    attachments: [Attachment] = [], sparing spared: Set<Int> = []
  ) {
    precondition(keep >= 1)
    self.folder = folder
    self.keep = keep
    self.architecture = architecture
    self.configuration = configuration
    self.attachments = attachments
    self.spared = spared
  }

  /// Writes one checkpoint; every rank calls this with its pieces.
  ///
  /// - Parameter barrier: returns when all ranks have called it; called three times.
  /// - Returns: the path of the checkpoint.
  /// - Throws: `CheckpointError`, also when a tensor is contributed twice or by nobody; and what
  ///   `barrier` throws. The checkpoints before stay as they were.
  @discardableResult public func write(
    _ pieces: CheckpointPieces, state: TrainingState, rank: Int, ranks: Int,
    barrier: () throws -> Void
  ) throws -> String {
    precondition(0..<ranks ~= rank)
    if rank == 0 { try folder.begin(step: state.step) }
    try barrier()
    try contribute(pieces, step: state.step, rank: rank)
    try barrier()
    if rank == 0 {
      try assemble(state: state, ranks: ranks)
      try folder.commit(step: state.step, keep: keep, sparing: spared)
    }
    try barrier()
    return folder.checkpoint(atStep: state.step)
  }

  /// Writes this rank's files into the growing folder.
  func contribute(
    _ pieces: CheckpointPieces, step: Int, rank: Int
  ) throws(CheckpointError) {
    let partial = folder.partial(atStep: step)
    var written: [WrittenFile] = []
    do throws(CheckpointError) {
      let main = pieces.weights.filter { !$0.unit.isPrediction }
      if !main.isEmpty {
        written.append(try writeWeights(main, pieces, to: partial, rank: rank))
      }
      let prediction = pieces.weights.filter(\.unit.isPrediction)
      if !prediction.isEmpty {
        written.append(try writePrediction(prediction, pieces, to: partial))
      }
      if !pieces.shards.isEmpty {
        written.append(try writeMoments(pieces, to: partial, rank: rank))
      }
      let report = Manifest(files: written)
      try GrowingFile.write(report.bytes, to: "\(partial)/\(Self.reportName(ofRank: rank))")
    } catch {
      // Gives the space back; what other ranks write is cleared by the next checkpoint.
      for kind in ["weights", "optimizer"] {
        unlink("\(partial)/\(Self.pieceName(kind, ofRank: rank))")
      }
      throw error
    }
  }

  static func reportName(ofRank rank: Int) -> String { "rank-\(rank).json" }
  static func pieceName(_ kind: String, ofRank rank: Int) -> String {
    "rank-\(rank)-\(kind).safetensors"
  }

  private func writeWeights(
    _ tensors: [ParameterTensor], _ pieces: CheckpointPieces, to partial: String, rank: Int
  ) throws(CheckpointError) -> WrittenFile {
    let name = Self.pieceName("weights", ofRank: rank)
    var index = 0
    let result = try SafetensorsWriter.writeSummed(
      tensors.map { ($0.name, $0.shape) }, to: "\(partial)/\(name)"
    ) { _ in
      defer { index += 1 }
      return pieces.numbers(tensors[index])
    }
    return WrittenFile(
      name: name, bytes: result.bytes, checksum: result.header, tensors: result.tensors)
  }

  private func writeMoments(
    _ pieces: CheckpointPieces, to partial: String, rank: Int
  ) throws(CheckpointError) -> WrittenFile {
    let name = Self.pieceName("optimizer", ofRank: rank)
    let parts = pieces.shards.flatMap { shard in
      CheckpointPieces.Moment.allCases.map { (shard: shard, moment: $0) }
    }
    var index = 0
    let result = try SafetensorsWriter.writeSummed(
      parts.map { ($0.shard.name(of: $0.moment), [$0.shard.range.count]) },
      to: "\(partial)/\(name)"
    ) { _ in
      defer { index += 1 }
      return pieces.moments(parts[index].shard, parts[index].moment)
    }
    return WrittenFile(
      name: name, bytes: result.bytes, checksum: result.header, tensors: result.tensors)
  }

  /// Writes this rank's tensors of the prediction modules at their places in the common file.
  private func writePrediction(
    _ tensors: [ParameterTensor], _ pieces: CheckpointPieces, to partial: String
  ) throws(CheckpointError) -> WrittenFile {
    let layout = predictionLayout
    let file = try GrowingFile(path: "\(partial)/\(Self.predictionName)", mode: .shared)
    try file.write(layout.header, at: 0)
    var sums: [WrittenFile.Tensor] = []
    for tensor in tensors {
      guard let place = layout.tensor(named: tensor.name) else {
        preconditionFailure("\(tensor.name) is not a tensor of the model's prediction modules")
      }
      let sum = try SafetensorsWriter.write(
        pieces.numbers(tensor), of: place, to: file, placed: true)
      sums.append(.init(name: tensor.name, checksum: sum))
    }
    try file.finish()
    return WrittenFile(
      name: Self.predictionName, bytes: layout.fileSize,
      checksum: Checksum.text(of: layout.header), tensors: sums)
  }

  static let predictionName = "mtp.safetensors"

  var predictionLayout: SafetensorsLayout {
    SafetensorsLayout(
      architecture.predictionTensors.map { ($0.name, $0.shape) }, metadata: [("format", "pt")])
  }
}

import Documents
import Models

/// Where each tensor's optimizer state lies, however the ranks that wrote it had divided it.
struct MomentIndex: Sendable {
  private struct Part: Sendable {
    var range: Range<Int>
    var name: String
    var file: Int
  }

  private var files: [SafetensorsFile] = []
  private var parts: [CheckpointPieces.Moment: [String: [Part]]] = [:]

  /// Whether there is any optimizer state.
  var isEmpty: Bool { files.isEmpty }

  /// Takes in the shards of one more file.
  mutating func add(_ file: SafetensorsFile) throws(CheckpointError) {
    for tensor in file.tensors {
      guard let (shard, moment) = CheckpointPieces.Shard.parse(tensor.name, count: tensor.count)
      else {
        throw CheckpointError(
          .damaged, file: file.path, tensor: tensor.name, rule: "is not a part of optimizer state")
      }
      let part = Part(range: shard.range, name: tensor.name, file: files.count)
      parts[moment, default: [:]][shard.tensor, default: []].append(part)
    }
    files.append(file)
  }

  /// The shards of both moments cover a tensor once.
  func checkCoverage(of tensor: ParameterTensor, in folder: String) throws(CheckpointError) {
    for moment in CheckpointPieces.Moment.allCases {
      var end = 0
      for part in sorted(moment, tensor.name) {
        guard part.range.lowerBound == end else { break }
        end = part.range.upperBound
      }
      let total = sorted(moment, tensor.name).reduce(0) { $0 + $1.range.count }
      guard end == tensor.count, total == end else {
        throw CheckpointError(
          .mismatched, file: folder, tensor: tensor.name,
          rule: "its \(moment.rawValue) moments do not cover its \(tensor.count) numbers once")
      }
    }
  }

  /// A range of a moment of a tensor, put together from the shards that hold it.
  func read(
    _ moment: CheckpointPieces.Moment, of tensor: ParameterTensor, in range: Range<Int>
  ) throws(CheckpointError) -> [Float] {
    precondition(range.lowerBound >= 0 && range.upperBound <= tensor.count)
    var result: [Float] = []
    result.reserveCapacity(range.count)
    for part in sorted(moment, tensor.name) {
      let common = part.range.clamped(to: range)
      guard !common.isEmpty else { continue }
      guard common.lowerBound == range.lowerBound + result.count else { break }
      let start = part.range.lowerBound
      result += try files[part.file].floats(
        part.name, in: common.lowerBound - start..<common.upperBound - start)
    }
    guard result.count == range.count else {
      throw CheckpointError(
        .mismatched, file: files.first?.path ?? "", tensor: tensor.name,
        rule: "its \(moment.rawValue) moments are not all there")
    }
    return result
  }

  private func sorted(_ moment: CheckpointPieces.Moment, _ name: String) -> [Part] {
    (parts[moment]?[name] ?? []).sorted { $0.range.lowerBound < $1.range.lowerBound }
  }
}

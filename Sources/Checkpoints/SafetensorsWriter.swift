import Documents

/// The header of a safetensors file that is to be written, with the place of every tensor.
///
/// Ranks that agree on the list of tensors agree on every byte's place, so that each can write its
/// own part of one file.
public struct SafetensorsLayout: Hashable, Sendable {
  /// The length and the header, padded with spaces so that the tensors begin at a multiple of 8.
  public let header: [UInt8]
  /// The tensors with their places in the file, in the given order.
  public let tensors: [StoredTensor]
  private let indexOfName: [String: Int]

  /// Lays tensors out one behind the other; names must differ, sizes must not be negative.
  public init(
    _ list: [(name: String, shape: [Int])], type: ElementType = .float32,
    metadata: [(key: String, value: String)] = []
  ) {
    var lines: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.map { "\(JSONValue.quoted($0.key)):\(JSONValue.quoted($0.value))" }
      lines.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var end = 0
    for (name, shape) in list {
      precondition(shape.allSatisfy { $0 >= 0 } && name != "__metadata__")
      let size = shape.reduce(type.size, *)
      let sizes = shape.map(String.init).joined(separator: ",")
      lines.append(
        "\(JSONValue.quoted(name)):{\"dtype\":\"\(type.rawValue)\",\"shape\":[\(sizes)],"
          + "\"data_offsets\":[\(end),\(end + size)]}")
      end += size
    }
    var text = Array("{\(lines.joined(separator: ","))}".utf8)
    text += Array(repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    header = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
    var start = header.count
    tensors = list.map { name, shape in
      defer { start += shape.reduce(type.size, *) }
      return StoredTensor(
        name: name, type: type, shape: shape, bytes: start..<start + shape.reduce(type.size, *))
    }
    indexOfName = Dictionary(uniqueKeysWithValues: list.enumerated().map { ($1.name, $0) })
  }

  /// Bytes of the whole file.
  public var fileSize: Int { tensors.last?.bytes.upperBound ?? header.count }

  /// A tensor's place; nil if there is none of the name.
  public func tensor(named name: String) -> StoredTensor? { indexOfName[name].map { tensors[$0] } }
}

/// What was written: how many bytes, and the checksums by which they are recognised again.
struct WrittenFile: Hashable, Sendable {
  /// The name within the checkpoint.
  var name: String
  var bytes: Int
  /// The checksum of the header with its length; of the whole file where `tensors` is empty.
  var checksum: String
  /// The checksum of each tensor, in the order of the file.
  var tensors: [Tensor]

  struct Tensor: Hashable, Sendable {
    var name: String
    var checksum: String
  }
}

/// Writing whole safetensors files.
public enum SafetensorsWriter {
  /// Writes 32-bit tensors to a new file and forces them to the disk.
  ///
  /// - Parameter content: gives the numbers of a tensor, asked for one at a time in the given order,
  ///   so that no two need to be held at once; as many as the shape says.
  public static func write(
    _ list: [(name: String, shape: [Int])], to path: String,
    metadata: [(key: String, value: String)] = [("format", "pt")],
    content: (String) -> [Float]
  ) throws(CheckpointError) {
    _ = try writeSummed(list, to: path, metadata: metadata, content: content)
  }

  static func writeSummed(
    _ list: [(name: String, shape: [Int])], to path: String,
    metadata: [(key: String, value: String)] = [("format", "pt")],
    content: (String) -> [Float]
  ) throws(CheckpointError) -> (bytes: Int, header: String, tensors: [WrittenFile.Tensor]) {
    let layout = SafetensorsLayout(list, metadata: metadata)
    let file = try GrowingFile(path: path)
    try file.write(layout.header)
    var sums: [WrittenFile.Tensor] = []
    for tensor in layout.tensors {
      let sum = try write(content(tensor.name), of: tensor, to: file)
      sums.append(.init(name: tensor.name, checksum: sum))
    }
    try file.finish()
    return (layout.fileSize, Checksum.text(of: layout.header), sums)
  }

  /// Writes one tensor, at its own place if asked, and returns the checksum of its bytes.
  static func write(
    _ numbers: [Float], of tensor: StoredTensor, to file: GrowingFile, placed: Bool = false
  ) throws(CheckpointError) -> String {
    precondition(numbers.count == tensor.count, "\(tensor.name) has other than \(tensor.count)")
    var sum = Checksum()
    var failure: CheckpointError?
    // Little endian in the file; every machine that Swift runs on is.
    numbers.withUnsafeBytes { buffer in
      sum.add(buffer)
      do throws(CheckpointError) {
        try file.write(buffer, at: placed ? tensor.bytes.lowerBound : nil)
      } catch {
        failure = error
        failure?.tensor = tensor.name
      }
    }
    if let failure { throw failure }
    return sum.text
  }
}

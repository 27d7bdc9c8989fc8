import Documents

/// What the numbers of a stored tensor are, by the names of the safetensors format.
public enum ElementType: String, Hashable, Sendable, CaseIterable {
  case float64 = "F64"
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case float8E4M3 = "F8_E4M3"
  case float8E5M2 = "F8_E5M2"
  case int64 = "I64"
  case int32 = "I32"
  case int16 = "I16"
  case int8 = "I8"
  case unsigned64 = "U64"
  case unsigned32 = "U32"
  case unsigned16 = "U16"
  case unsigned8 = "U8"
  case boolean = "BOOL"

  /// Bytes of one number.
  public var size: Int {
    switch self {
    case .float64, .int64, .unsigned64: 8
    case .float32, .int32, .unsigned32: 4
    case .float16, .bfloat16, .int16, .unsigned16: 2
    case .float8E4M3, .float8E5M2, .int8, .unsigned8, .boolean: 1
    }
  }
}

/// One tensor of a safetensors file: what its header says of it.
public struct StoredTensor: Hashable, Sendable {
  public var name: String
  public var type: ElementType
  /// The size of each dimension, the last one contiguous; none for a single number.
  public var shape: [Int]
  /// Where the tensor lies in the file, in bytes from its beginning.
  public var bytes: Range<Int>

  /// Numbers in the tensor.
  public var count: Int { bytes.count / type.size }
}

/// A file of named tensors in the safetensors format, open for reading.
///
/// The format is a header's length in 8 bytes, little endian, the header as JSON, and the tensors'
/// bytes one behind the other without gaps (github.com/huggingface/safetensors, "Format").
public struct SafetensorsFile: Sendable {
  /// The tensors in the order of their bytes.
  public let tensors: [StoredTensor]
  /// Free text that the writer left, by key.
  public let metadata: [String: String]
  let file: InputFile
  /// Bytes in front of the first tensor: the length and the header.
  let headerCount: Int
  private let indexOfName: [String: Int]

  /// The longest header that is read, which is the format's own limit.
  static let largestHeader = 100_000_000

  /// Opens a file and checks its header against its length; tensors are read when asked for.
  ///
  /// - Throws: `CheckpointError`, whatever the file holds; a file that is cut short names the first
  ///   tensor that is not all there.
  public init(path: String) throws(CheckpointError) {
    let file = try InputFile(path: path)
    func damaged(_ rule: String) -> CheckpointError { .init(.damaged, file: path, rule: rule) }
    guard file.count >= 8 else { throw damaged("is cut short within its first 8 bytes") }
    let length = try file.bytes(at: 0, count: 8).reversed().reduce(UInt64(0)) {
      $0 << 8 | UInt64($1)
    }
    guard length <= UInt64(Self.largestHeader) else {
      throw damaged("is not a safetensors file: its header would have \(length) bytes")
    }
    let headerCount = 8 + Int(length)
    guard headerCount <= file.count else { throw damaged("is cut short within its header") }
    let header = try file.bytes(at: 8, count: Int(length))
    var reading = HeaderReading(path: path, start: headerCount)
    try reading.read(header)
    let end = reading.tensors.last?.bytes.upperBound ?? headerCount
    if let lost = reading.tensors.first(where: { $0.bytes.upperBound > file.count }) {
      throw CheckpointError(
        .damaged, file: path, tensor: lost.name,
        rule: "is cut short: the header describes \(end) bytes and the file has \(file.count)")
    }
    guard end == file.count else {
      throw damaged("has \(file.count - end) bytes behind its last tensor")
    }
    self.file = file
    self.headerCount = headerCount
    tensors = reading.tensors
    metadata = reading.metadata
    indexOfName = Dictionary(
      uniqueKeysWithValues: reading.tensors.enumerated().map { ($1.name, $0) })
  }

  /// The path that the file was opened by.
  public var path: String { file.path }

  /// What the header says of a tensor; nil if there is none of the name.
  public func tensor(named name: String) -> StoredTensor? { indexOfName[name].map { tensors[$0] } }

  /// The number that 16 bits of IEEE 754 hold.
  ///
  /// By its bits: a thread that computes may have subnormal numbers flushed to zero.
  private static func float(half bits: UInt16) -> Float {
    let magnitude = UInt32(bits & 0x7FFF)
    let sign: Float = bits & 0x8000 == 0 ? 1 : -1
    if magnitude < 0x0400 { return sign * Float(magnitude) * 0x1p-24 }
    if magnitude >= 0x7C00 { return magnitude == 0x7C00 ? sign * .infinity : .nan }
    return sign * Float(bitPattern: (magnitude << 13) + (112 << 23))
  }

  /// The numbers of a tensor stored as F32, F16, BF16 or F64, row by row.
  ///
  /// - Parameter range: the numbers wanted, counted through the whole tensor; nil for all.
  public func floats(
    _ name: String, in range: Range<Int>? = nil
  ) throws(CheckpointError) -> [Float] {
    let tensor = try required(name)
    let range = range ?? 0..<tensor.count
    switch tensor.type {
    case .float32:
      return try numbers(tensor, range, of: UInt32.self).map { Float(bitPattern: $0) }
    case .bfloat16:
      return try numbers(tensor, range, of: UInt16.self).map {
        Float(bitPattern: UInt32($0) << 16)
      }
    case .float16:
      return try numbers(tensor, range, of: UInt16.self).map { Self.float(half: $0) }
    case .float64:
      return try numbers(tensor, range, of: UInt64.self).map { Float(Double(bitPattern: $0)) }
    default: throw wrongType(tensor, "cannot be read as floating-point numbers")
    }
  }

  /// The numbers of a tensor stored as whole numbers of up to 64 bits, row by row.
  public func integers(_ name: String) throws(CheckpointError) -> [Int] {
    let tensor = try required(name)
    let range = 0..<tensor.count
    switch tensor.type {
    case .int64: return try numbers(tensor, range, of: Int64.self).map { Int($0) }
    case .int32: return try numbers(tensor, range, of: Int32.self).map { Int($0) }
    case .int16: return try numbers(tensor, range, of: Int16.self).map { Int($0) }
    case .unsigned16: return try numbers(tensor, range, of: UInt16.self).map { Int($0) }
    case .unsigned32: return try numbers(tensor, range, of: UInt32.self).map { Int($0) }
    case .int8: return try numbers(tensor, range, of: Int8.self).map { Int($0) }
    case .unsigned8: return try numbers(tensor, range, of: UInt8.self).map { Int($0) }
    default: throw wrongType(tensor, "cannot be read as whole numbers")
    }
  }

  private func required(_ name: String) throws(CheckpointError) -> StoredTensor {
    guard let tensor = tensor(named: name) else {
      throw CheckpointError(.mismatched, file: path, tensor: name, rule: "is missing")
    }
    return tensor
  }

  private func wrongType(_ tensor: StoredTensor, _ rule: String) -> CheckpointError {
    CheckpointError(
      .mismatched, file: path, tensor: tensor.name, rule: "is \(tensor.type.rawValue) and \(rule)")
  }

  private func numbers<Number: FixedWidthInteger>(
    _ tensor: StoredTensor, _ range: Range<Int>, of type: Number.Type
  ) throws(CheckpointError) -> [Number] {
    precondition(range.lowerBound >= 0 && range.upperBound <= tensor.count)
    var result = [Number](repeating: 0, count: range.count)
    var failure: CheckpointError?
    result.withUnsafeMutableBytes { buffer in
      do throws(CheckpointError) {
        try file.read(
          into: buffer, at: tensor.bytes.lowerBound + range.lowerBound * tensor.type.size)
      } catch {
        failure = error
        failure?.tensor = tensor.name
      }
    }
    if let failure { throw failure }
    if Number(1).littleEndian != 1 { result = result.map { Number(littleEndian: $0) } }
    return result
  }
}

/// The header of a safetensors file on its way from JSON to tensors.
private struct HeaderReading {
  let path: String
  /// Where the first tensor begins.
  let start: Int
  var tensors: [StoredTensor] = []
  var metadata: [String: String] = [:]

  init(path: String, start: Int) {
    self.path = path
    self.start = start
  }

  mutating func read(_ header: [UInt8]) throws(CheckpointError) {
    let entries: [JSONValue.Entry]
    do throws(JSONValue.Failure) {
      guard let found = try JSONValue(header).entries else {
        throw JSONValue.Failure(rule: "is not a table", offset: 0)
      }
      entries = found
    } catch {
      throw failure("its header \(error.rule), at byte \(8 + error.offset)")
    }
    for entry in entries {
      if entry.key == "__metadata__" {
        for item in entry.value.entries ?? [] { metadata[item.key] = item.value.text }
      } else {
        tensors.append(try tensor(entry))
      }
    }
    tensors.sort {
      ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
    }
    var end = start
    for tensor in tensors {
      guard tensor.bytes.lowerBound == end else {
        throw failure("does not begin where the tensor before it ends", tensor.name)
      }
      end = tensor.bytes.upperBound
    }
  }

  private func failure(_ rule: String, _ tensor: String? = nil) -> CheckpointError {
    CheckpointError(.damaged, file: path, tensor: tensor, rule: rule)
  }

  private func tensor(_ entry: JSONValue.Entry) throws(CheckpointError) -> StoredTensor {
    guard let word = entry.value["dtype"]?.text, let type = ElementType(rawValue: word) else {
      throw failure("its type \(entry.value["dtype"]?.text ?? "") is not known", entry.key)
    }
    let shape = entry.value["shape"]?.items?.map { $0.number ?? -1 } ?? [-1]
    let offsets = entry.value["data_offsets"]?.items?.map { $0.number ?? -1 } ?? []
    // Far above any tensor and far below the end of 64 bits, so that sums cannot overflow.
    let largest = 1 << 56
    guard offsets.count == 2, 0 <= offsets[0], offsets[0] <= offsets[1], offsets[1] < largest else {
      throw failure("its place in the file is not a range of bytes", entry.key)
    }
    var size = type.size
    for dimension in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
      guard dimension >= 0, !overflow else {
        throw failure("its shape \(shape) is not possible", entry.key)
      }
      size = product
    }
    guard offsets[1] - offsets[0] == size else {
      throw failure(
        "its shape \(shape) as \(word) needs \(size) bytes, and it has "
          + "\(offsets[1] - offsets[0])", entry.key)
    }
    return StoredTensor(
      name: entry.key, type: type, shape: shape, bytes: start + offsets[0]..<start + offsets[1])
  }
}

import Documents
import Foundation

/// A file of numbers by step that TensorBoard reads.
///
/// Records are framed as in TensorFlow's record files (`tensorflow/core/lib/io/record_writer.cc`): the
/// length as 64 bits, its masked CRC-32C, the bytes, theirs; little endian. Each holds a protocol
/// buffer `Event` (`tensorflow/core/util/event.proto`): 1 wall time (double), 2 step (int64), 3 the
/// file's version (string), 5 a `Summary` of values, each 1 tag (string) and 2 a number (float), 7 a
/// `SessionLog` whose 1 is its status. A class, since it owns an open file.
final class EventFile {
  private let file: GrowingFile

  /// Makes a new file in a folder, which is made if need be, and says behind which step it begins: steps
  /// behind it that earlier files hold are dropped by TensorBoard.
  ///
  /// - Parameter time: seconds since 1970.
  init(folder: String, afterStep step: Int, time: Double) throws(CheckpointError) {
    _ = try makeFolder(folder)
    file = try GrowingFile(path: Self.freePath(in: folder, afterStep: step))
    var version = Message()
    version.add(1, time)
    version.add(3, text: "brain.Event:2")
    var start = Message()
    start.add(1, 1)
    var session = Message()
    session.add(1, time)
    session.add(2, step == 0 ? 0 : step + 1)
    session.add(7, message: start)
    try file.write(Self.record(version.bytes) + Self.record(session.bytes))
  }

  /// Adds the numbers of a step.
  func write(
    step: Int, time: Double, _ values: [(tag: String, value: Double)]
  ) throws(CheckpointError) {
    var summary = Message()
    for value in values {
      var one = Message()
      one.add(1, text: value.tag)
      one.add(2, float: Float(value.value))
      summary.add(1, message: one)
    }
    var event = Message()
    event.add(1, time)
    event.add(2, step)
    event.add(5, message: summary)
    try file.write(Self.record(event.bytes))
  }

  /// A name that no file has, such that names in alphabetical order are in that of their steps.
  private static func freePath(in folder: String, afterStep step: Int) -> String {
    let stem = "\(folder)/\(name(afterStep: step))"
    var (path, number) = (stem, 1)
    while (try? FileManager.default.attributesOfItem(atPath: path)) != nil {
      number += 1
      path = "\(stem)-\(number)"
    }
    return path
  }

  /// The name of a file that begins behind a step: `events.out.tfevents.0000000100.sluice`.
  static func name(afterStep step: Int) -> String {
    let digits = String(step)
    let zeros = String(repeating: "0", count: max(0, 10 - digits.count))
    return "events.out.tfevents.\(zeros)\(digits).sluice"
  }

  private static func record(_ bytes: [UInt8]) -> [UInt8] {
    let length = littleEndian(UInt64(bytes.count))
    return length + littleEndian(maskedChecksum(length)) + bytes
      + littleEndian(maskedChecksum(bytes))
  }

  /// The checksum, turned by 15 bits and moved, as records that hold records have it.
  static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
    let sum = checksum(bytes)
    return (sum >> 15 | sum << 17) &+ 0xA282_EAD8
  }

  /// CRC-32C, Castagnoli's polynomial, reflected.
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0) { table[Int(($0 ^ UInt32($1)) & 0xFF)] ^ $0 >> 8 }
  }

  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
  }
}

private func littleEndian<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
  withUnsafeBytes(of: word.littleEndian) { Array($0) }
}

/// A protocol buffer that grows field by field.
private struct Message {
  var bytes: [UInt8] = []

  private enum Wire: UInt64 { case number = 0, eightBytes = 1, counted = 2, fourBytes = 5 }

  mutating func add(_ field: UInt64, _ value: Double) {
    key(field, .eightBytes)
    bytes += littleEndian(value.bitPattern)
  }

  mutating func add(_ field: UInt64, float value: Float) {
    key(field, .fourBytes)
    bytes += littleEndian(value.bitPattern)
  }

  mutating func add(_ field: UInt64, _ value: Int) {
    key(field, .number)
    variable(UInt64(bitPattern: Int64(value)))
  }

  mutating func add(_ field: UInt64, text: String) { add(field, counted: Array(text.utf8)) }

  mutating func add(_ field: UInt64, message: Message) { add(field, counted: message.bytes) }

  private mutating func add(_ field: UInt64, counted content: [UInt8]) {
    key(field, .counted)
    variable(UInt64(content.count))
    bytes += content
  }

  private mutating func key(_ field: UInt64, _ wire: Wire) { variable(field << 3 | wire.rawValue) }

  /// Seven bits a byte, the lowest first.
  private mutating func variable(_ value: UInt64) {
    var rest = value
    while rest > 0x7F {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

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

  /// A name that no file has, behind those of all others in alphabetical order: TensorBoard reads files in
  /// that order, and none in front of one that it has read.
  private static func freePath(in folder: String, afterStep step: Int) -> String {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let last = names.compactMap(number(ofName:)).max() ?? 0
    return "\(folder)/\(name(number: last + 1, afterStep: step))"
  }

  private static let stem = "events.out.tfevents."

  /// The name of the n-th file of a folder, which begins behind a step:
  /// `events.out.tfevents.0000000002.step-0000000100.sluice`.
  static func name(number: Int, afterStep step: Int) -> String {
    "\(stem)\(padded(number)).step-\(padded(step)).sluice"
  }

  private static func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 10 - digits.count)) + digits
  }

  /// What stands behind the stem: a file's number, or with others than sluice's the time of its beginning.
  private static func number(ofName name: String) -> Int? {
    guard name.hasPrefix(stem) else { return nil }
    let digits = name.dropFirst(stem.count).prefix { $0.isASCII && $0.isNumber }
    return Int(digits).flatMap { $0 < 9_999_999_999 ? $0 : nil }
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

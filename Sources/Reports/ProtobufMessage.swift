/// A message in the wire format of Protocol Buffers, field by field
/// (https://protobuf.dev/programming-guides/encoding/).
///
/// Fields of the value 0 are written too where they stand in a `oneof`, which tells by their being there.
package struct ProtobufMessage {
  package private(set) var bytes: [UInt8] = []

  /// A message without fields.
  package init() {}

  private enum WireType: UInt64 {
    case varint = 0
    case lengthDelimited = 2
  }

  /// Seven bits a byte, the lowest first, all but the last with their top bit set.
  private mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private mutating func append(tag field: Int, _ type: WireType) {
    append(varint: UInt64(field) << 3 | type.rawValue)
  }

  /// An unsigned number, an enumeration or a truth value.
  package mutating func add(_ value: UInt64, field: Int) {
    append(tag: field, .varint)
    append(varint: value)
  }

  /// A signed number of 32 or 64 bits, whose negative values take ten bytes.
  package mutating func add(_ value: Int, field: Int) {
    add(UInt64(bitPattern: Int64(value)), field: field)
  }

  package mutating func add(_ text: String, field: Int) { add(Array(text.utf8), field: field) }

  package mutating func add(_ message: ProtobufMessage, field: Int) {
    add(message.bytes, field: field)
  }

  private mutating func add(_ content: [UInt8], field: Int) {
    append(tag: field, .lengthDelimited)
    append(varint: UInt64(content.count))
    bytes += content
  }

  /// Repeated numbers in one packed field; nothing where there are none.
  package mutating func add(packed values: [Int], field: Int) {
    guard !values.isEmpty else { return }
    var content = ProtobufMessage()
    for value in values { content.append(varint: UInt64(value)) }
    add(content, field: field)
  }

  /// The message behind its length, as files hold one after another.
  package var delimited: [UInt8] {
    var result = ProtobufMessage()
    result.append(varint: UInt64(bytes.count))
    return result.bytes + bytes
  }
}

/// An execution trace of MLCommons Chakra, decoded by its schema and nothing of the program's
/// (schema/protobuf/et_def.proto of github.com/mlcommons/chakra).
struct ChakraFile {
  struct Node {
    var id = 0
    var name = ""
    var type = 0
    /// `data_deps`, and `ctrl_deps`.
    var dependencies: [Int] = []
    var order: [Int] = []
    var start = 0
    var duration = 0
    var numbers: [String: Int] = [:]
    var texts: [String: String] = [:]
    /// The field of `AttributeProto` that holds each attribute's value.
    var fields: [String: Int] = [:]
  }

  enum Fault: Error { case cutShort, wireType(Int), field(Int) }

  var version = ""
  var texts: [String: String] = [:]
  var numbers: [String: Int] = [:]
  var nodes: [Node] = []

  init(_ bytes: [UInt8]) throws {
    var reader = Reader(bytes[...])
    var head = Reader(try reader.delimited())
    while let (field, value) = try head.field() {
      switch (field, value) {
      case (1, .content(let text)): version = String(decoding: text, as: UTF8.self)
      case (2, .content(let attribute)):
        try Self.read(attribute, &numbers, &texts)
      default: throw Fault.field(field)
      }
    }
    while !reader.isAtEnd { nodes.append(try Self.node(reader.delimited())) }
  }

  private static func node(_ bytes: ArraySlice<UInt8>) throws -> Node {
    var (reader, node) = (Reader(bytes), Node())
    while let (field, value) = try reader.field() {
      switch (field, value) {
      case (1, .number(let id)): node.id = id
      case (2, .content(let text)): node.name = String(decoding: text, as: UTF8.self)
      case (3, .number(let type)): node.type = type
      case (4, .content(let packed)): node.order = try numbers(packed)
      case (5, .content(let packed)): node.dependencies = try numbers(packed)
      case (6, .number(let time)): node.start = time
      case (7, .number(let time)): node.duration = time
      case (10, .content(let attribute)):
        let (name, field) = try read(attribute, &node.numbers, &node.texts)
        node.fields[name] = field
      default: throw Fault.field(field)
      }
    }
    return node
  }

  private static func numbers(_ packed: ArraySlice<UInt8>) throws -> [Int] {
    var (reader, numbers) = (Reader(packed), [Int]())
    while !reader.isAtEnd { numbers.append(try reader.varint()) }
    return numbers
  }

  /// A name and a value under the field of its type: int32 7, int64 9, uint64 13, bool 27, string 29.
  ///
  /// - Returns: the name and the field.
  @discardableResult private static func read(
    _ bytes: ArraySlice<UInt8>, _ numbers: inout [String: Int], _ texts: inout [String: String]
  ) throws -> (name: String, field: Int) {
    var (reader, name, last) = (Reader(bytes), "", 0)
    while let (field, value) = try reader.field() {
      last = field
      switch (field, value) {
      case (1, .content(let text)): name = String(decoding: text, as: UTF8.self)
      case (7, .number(let number)), (9, .number(let number)), (13, .number(let number)),
        (27, .number(let number)):
        numbers[name] = number
      case (29, .content(let text)): texts[name] = String(decoding: text, as: UTF8.self)
      default: throw Fault.field(field)
      }
    }
    return (name, last)
  }

  private enum Value { case number(Int), content(ArraySlice<UInt8>) }

  private struct Reader {
    var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func varint() throws -> Int {
      var (value, shift) = (UInt64(0), UInt64(0))
      while let byte = rest.popFirst() {
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return Int(truncatingIfNeeded: value) }
        shift += 7
      }
      throw Fault.cutShort
    }

    mutating func delimited() throws -> ArraySlice<UInt8> {
      let count = try varint()
      guard rest.count >= count else { throw Fault.cutShort }
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count)
    }

    mutating func field() throws -> (Int, Value)? {
      guard !isAtEnd else { return nil }
      let tag = try varint()
      switch tag & 7 {
      case 0: return (tag >> 3, .number(try varint()))
      case 2: return (tag >> 3, .content(try delimited()))
      default: throw Fault.wireType(tag & 7)
      }
    }
  }
}

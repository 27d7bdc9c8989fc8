/// A running CRC-64 of bytes, in the form that xz files carry (polynomial of ECMA-182, reflected).
///
/// It finds every error that lies within 64 consecutive bits, so every flipped bit. Eight bytes
/// are taken at a time by eight tables.
package struct Checksum {
  private var state: UInt64 = ~0

  /// The checksum of nothing.
  package init() {}

  /// The checksum of what was added so far.
  package var value: UInt64 { ~state }

  /// The checksum in 16 hexadecimal digits.
  package var text: String { Self.text(of: value) }

  package static func text(of value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var crc = state
    Self.tables.withUnsafeBufferPointer { tables in
      var index = 0
      while index + 8 <= bytes.count {
        let word =
          crc ^ UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        crc = 0
        for place in 0..<8 {
          crc ^= tables[(7 - place) << 8 | Int(word >> (8 * place) & 0xFF)]
        }
        index += 8
      }
      while index < bytes.count {
        crc = tables[Int((crc ^ UInt64(bytes[index])) & 0xFF)] ^ crc >> 8
        index += 1
      }
    }
    state = crc
  }

  package mutating func add(_ bytes: [UInt8]) { bytes.withUnsafeBytes { add($0) } }

  package static func text(of bytes: [UInt8]) -> String {
    var checksum = Checksum()
    checksum.add(bytes)
    return checksum.text
  }

  /// Table k holds the effect of a byte that is followed by k zero bytes.
  private static let tables: [UInt64] = {
    var tables = [UInt64](repeating: 0, count: 8 << 8)
    for byte in 0..<256 {
      var crc = UInt64(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xC96C_5795_D787_0F42 : crc >> 1 }
      tables[byte] = crc
    }
    for index in 256..<tables.count {
      let before = tables[index - 256]
      tables[index] = tables[Int(before & 0xFF)] ^ before >> 8
    }
    return tables
  }()
}

/// The characters by which byte-level vocabularies write bytes down.
///
/// Printable characters of Latin-1 stand for themselves; the other 68 bytes, in order, for the
/// characters from U+0100 on (GPT-2's `bytes_to_unicode`).
enum ByteAlphabet {
  private static let scalarOfByte: [Unicode.Scalar] = {
    let scalars = byteOfScalar.sorted { $0.value < $1.value }.map(\.key)
    return scalars.map { Unicode.Scalar($0) ?? "\u{FFFD}" }
  }()

  private static let byteOfScalar: [UInt32: UInt8] = {
    var result: [UInt32: UInt8] = [:]
    var next: UInt32 = 256
    for byte in 0...UInt8.max {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: result[UInt32(byte)] = byte
      default:
        result[next] = byte
        next += 1
      }
    }
    return result
  }()

  /// The character that stands for a byte.
  static func character(of byte: UInt8) -> Unicode.Scalar { scalarOfByte[Int(byte)] }

  /// The bytes that a token's characters stand for; nil if one stands for none.
  static func bytes(of token: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    for scalar in token.unicodeScalars {
      guard let byte = byteOfScalar[scalar.value] else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}

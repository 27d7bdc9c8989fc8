import Documents
import Testing

@Suite struct ChecksumTests {
  /// The check value of CRC-64/XZ (Greg Cook's catalogue of parametrised CRC algorithms).
  @Test func theCatalogueHasIt() {
    #expect(Checksum.text(of: Array("123456789".utf8)) == "995dc9bbdf1939fa")
    #expect(Checksum.text(of: []) == "0000000000000000")
  }

  /// A bit at a time, as the definition has it.
  private func definition(_ bytes: some Sequence<UInt8>) -> UInt64 {
    let polynomial: UInt64 = 0xC96C_5795_D787_0F42
    var sum = ~UInt64(0)
    for byte in bytes {
      sum ^= UInt64(byte)
      for _ in 0..<8 {
        let half = sum >> 1
        sum = sum & 1 == 1 ? half ^ polynomial : half
      }
    }
    return ~sum
  }

  /// Lengths on both sides of where several parts are taken at once, and one that leaves a rest.
  @Test(arguments: [1, 7, 8, 9, 32_767, 32_768, 32_775, 100_003]) func everyLength(count: Int) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
    var whole = Checksum()
    whole.add(bytes)
    #expect(whole.value == definition(bytes))
    // In pieces it is the same, wherever these end.
    var pieces = Checksum()
    pieces.add(Array(bytes.prefix(count / 3)))
    pieces.add(Array(bytes.dropFirst(count / 3)))
    #expect(pieces.value == whole.value)
  }
}

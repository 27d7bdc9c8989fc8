import Documents
import Testing

/// The sum that tells programs apart.
@Suite struct WordSumTests {
  private static let bytes: [UInt8] = (0..<203).map {
    UInt8(truncatingIfNeeded: ($0 * 0x9E37_79B1) >> 13)
  }

  private static func sum(_ pieces: ArraySlice<UInt8>...) -> UInt64 {
    var sum = WordSum()
    for piece in pieces { piece.withUnsafeBytes { sum.add($0) } }
    return sum.value
  }

  /// Whole, or in pieces of whole rounds of the lanes.
  @Test func piecesDoNotMatter() {
    let bytes = Self.bytes
    let whole = Self.sum(bytes[...])
    #expect(Self.sum(bytes[..<32], bytes[32...]) == whole)
    #expect(Self.sum(bytes[..<96], bytes[96..<192], bytes[192...]) == whole)
  }

  /// No two of these are the same: any byte changed, any two words changed places, cut or longer by zeros.
  @Test func everyChangeShows() {
    var all = [Self.bytes]
    for place in Self.bytes.indices {
      for flip: UInt8 in [1, 0x80, 0xFF] {
        var changed = Self.bytes
        changed[place] ^= flip
        all.append(changed)
      }
    }
    for first in 0..<25 {
      for second in (first + 1)..<25 {
        var changed = Self.bytes
        for place in 0..<8 { changed.swapAt(8 * first + place, 8 * second + place) }
        all.append(changed)
      }
    }
    // The highest bits of two words of one lane.
    for round in 1..<6 {
      var changed = Self.bytes
      changed[7] ^= 0x80
      changed[32 * round + 7] ^= 0x80
      all.append(changed)
    }
    all += Self.bytes.indices.map { Array(Self.bytes[..<$0]) }
    all += (1..<40).map { Self.bytes + Array(repeating: 0, count: $0) }
    #expect(Set(all).count == all.count)
    #expect(Set(all.map { Self.sum($0[...]) }).count == all.count)
  }
}

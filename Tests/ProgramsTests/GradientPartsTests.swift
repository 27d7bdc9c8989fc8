import Testing

import Programs

/// Shards are cut where a list of all blocks would be cut.
@Suite struct GradientPartsTests {
  @Test(arguments: [1, 2, 3, 7, 64])
  func cutsAtBlocks(copies: Int) {
    let block = GradientSegment.blockElements
    for tensors in [
      [], [1], [block], [block + 1, 5, 3 * block], [7, 0, 11 * block - 1, 0], [64 * block, 2],
    ] {
      var starts: [Int] = []
      var first = 0
      for size in tensors {
        starts += stride(from: 0, to: size, by: block).map { first + $0 }
        first += size
      }
      let cuts = (0...copies).map { part in
        let index = part * starts.count / copies
        return index < starts.count ? starts[index] : first
      }
      #expect(
        GradientSegment.parts(of: tensors, into: copies)
          == (0..<copies).map { cuts[$0]..<cuts[$0 + 1] }, "\(tensors)")
    }
  }
}

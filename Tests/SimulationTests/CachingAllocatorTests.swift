import Simulation
import TestSupport
import Testing

/// The rules of PyTorch's caching allocator, on small sequences of which every block can be said.
@Suite struct CachingAllocatorTests {
  private static let mebibyte = 1 << 20

  private static func allocate(
    _ allocator: inout CachingAllocator, _ bytes: Int, stream: Int = 0
  ) throws -> CachingAllocator.Block {
    let block = allocator.allocate(bytes, stream: stream)
    return try #require(block)
  }

  @Test(arguments: [(1, 512), (512, 512), (513, 1024), (1_000_000, 1_000_448)])
  func requestsAreRounded(bytes: Int, size: Int) throws {
    var allocator = CachingAllocator()
    _ = try Self.allocate(&allocator, bytes)
    #expect(allocator.allocated == size && allocator.peakAllocated == size)
  }

  /// 2 MiB for small requests, 20 MiB below 10 MiB, else what is asked for in steps of 2 MiB; a growing
  /// segment takes pages of 2 and of 20 MiB.
  @Test(arguments: [
    (1, 2, 2), (1 << 20, 2, 2), ((1 << 20) + 1, 20, 20), ((10 << 20) - 512, 20, 20),
    (10 << 20, 10, 20), ((10 << 20) + 1, 12, 20), (41 << 20, 42, 60),
  ])
  func segmentsHaveSizes(bytes: Int, segment: Int, grown: Int) throws {
    for (expands, size) in [(false, segment), (true, grown)] {
      var allocator = CachingAllocator(expandsSegments: expands)
      _ = try Self.allocate(&allocator, bytes)
      #expect(allocator.reserved == size * Self.mebibyte)
    }
  }

  /// Four requests of 5 MiB share a segment, the fifth begins another; small and large ones never share.
  @Test func blocksAreSplit() throws {
    var allocator = CachingAllocator()
    for count in 1...5 {
      _ = try Self.allocate(&allocator, 5 * Self.mebibyte)
      #expect(allocator.reserved == (count < 5 ? 20 : 40) * Self.mebibyte)
    }
    _ = try Self.allocate(&allocator, 512)
    #expect(allocator.reserved == 42 * Self.mebibyte)
  }

  /// A large block keeps a rest of up to 1 MiB to itself; a growing segment splits that off too.
  @Test func smallRestsStay() throws {
    for (expands, allocated) in [(false, 12.0), (true, 11.5)] {
      var allocator = CachingAllocator(expandsSegments: expands)
      allocator.release(try Self.allocate(&allocator, 12 * Self.mebibyte))
      _ = try Self.allocate(&allocator, 23 * Self.mebibyte / 2)
      #expect(Double(allocator.allocated) == allocated * Double(Self.mebibyte))
    }
  }

  /// Of two free blocks the smaller one that is large enough is taken.
  @Test func theBestFitIsTaken() throws {
    var allocator = CachingAllocator()
    let large = try Self.allocate(&allocator, 40 * Self.mebibyte)
    let fitting = try Self.allocate(&allocator, 30 * Self.mebibyte)
    allocator.release(large)
    allocator.release(fitting)
    _ = try Self.allocate(&allocator, 25 * Self.mebibyte)
    _ = try Self.allocate(&allocator, 40 * Self.mebibyte)
    #expect(allocator.reserved == 70 * Self.mebibyte)
  }

  /// Neighbours join, on either side; what lies between blocks in use cannot be had as one piece, but a
  /// growing segment adds no more than what is missing at its end.
  @Test func gapsDoNotAdd() throws {
    for (expands, reserved) in [(false, 80 + 40), (true, 80 + 40)] {
      var allocator = CachingAllocator(expandsSegments: expands)
      if !expands { allocator.release(try Self.allocate(&allocator, 80 * Self.mebibyte)) }
      let blocks = try (0..<4).map { _ in try Self.allocate(&allocator, 20 * Self.mebibyte) }
      #expect(allocator.reserved == 80 * Self.mebibyte)
      allocator.release(blocks[0])
      allocator.release(blocks[2])
      _ = try Self.allocate(&allocator, 40 * Self.mebibyte)
      #expect(allocator.reserved == reserved * Self.mebibyte)
      allocator.release(blocks[1])
      _ = try Self.allocate(&allocator, 60 * Self.mebibyte)
      #expect(allocator.reserved == reserved * Self.mebibyte)
    }
  }

  /// 30 GiB that are free do for 40 with 10 more at the end of a growing segment; else 40 are new.
  @Test func growingSegmentsGrowByWhatIsMissing() throws {
    for (expands, reserved) in [(false, 70), (true, 40)] {
      var allocator = CachingAllocator(expandsSegments: expands)
      allocator.release(try Self.allocate(&allocator, 300 * Self.mebibyte))
      _ = try Self.allocate(&allocator, 400 * Self.mebibyte)
      #expect(allocator.reserved == 10 * reserved * Self.mebibyte)
    }
  }

  @Test func streamsDoNotShare() throws {
    var allocator = CachingAllocator()
    allocator.release(try Self.allocate(&allocator, 20 * Self.mebibyte))
    _ = try Self.allocate(&allocator, 20 * Self.mebibyte, stream: 1)
    #expect(allocator.reserved == 40 * Self.mebibyte)
    _ = try Self.allocate(&allocator, 20 * Self.mebibyte)
    #expect(allocator.reserved == 40 * Self.mebibyte)
  }

  /// Where the device is full, segments that are free as a whole are given back; one with a block in use
  /// stays, of a growing one all but the pages in use.
  @Test(arguments: [false, true]) func cachedSegmentsAreGivenBack(expands: Bool) throws {
    var allocator = CachingAllocator(expandsSegments: expands, limit: 100 * Self.mebibyte)
    let first = try Self.allocate(&allocator, 40 * Self.mebibyte)
    let second = try Self.allocate(&allocator, 40 * Self.mebibyte)
    allocator.release(first)
    _ = try Self.allocate(&allocator, 60 * Self.mebibyte)
    #expect(allocator.reserved == 100 * Self.mebibyte)
    let more = allocator.allocate(20 * Self.mebibyte)
    #expect(more == nil)
    allocator.release(second)
    _ = try Self.allocate(&allocator, 20 * Self.mebibyte)
    #expect(allocator.allocated == 80 * Self.mebibyte)
  }

  /// Whatever the order, blocks in use add up, segments hold them, and nothing is left of what was given
  /// back.
  @Test(arguments: [false, true]) func blocksAddUp(expands: Bool) throws {
    var random = SplitMix64(state: 7)
    var allocator = CachingAllocator(expandsSegments: expands)
    var live: [CachingAllocator.Block] = []
    var least = 0
    for turn in 0..<4000 {
      if turn % 500 == 499 { allocator.releaseCached() }
      if live.isEmpty || random.next() % 5 < 3, live.count < 200 {
        let bytes = 1 << (random.next() % 26) + Int(random.next() % 4096)
        let before = allocator.allocated
        live.append(try Self.allocate(&allocator, bytes, stream: Int(random.next() % 2)))
        least = allocator.allocated - before
        #expect(least >= CachingAllocator.rounded(bytes))
        #expect(
          expands ? least == CachingAllocator.rounded(bytes) : least < bytes + (1 << 20) + 512)
      } else {
        allocator.release(live.remove(at: Int(random.next() % UInt64(live.count))))
      }
      #expect(allocator.reserved >= allocator.allocated)
    }
    let reserved = allocator.reserved
    for block in live { allocator.release(block) }
    #expect(allocator.allocated == 0 && allocator.reserved == reserved)
    allocator.releaseCached()
    #expect(allocator.reserved == 0)
  }
}

/// Device memory as PyTorch's CUDA caching allocator hands it out.
///
/// Requests are rounded, small ones have a pool of their own, a pool belongs to a stream, and of the free
/// blocks the smallest that is large enough is taken and split. What is given back stays reserved: it joins
/// its free neighbours in the segment and waits for the next request.
///
/// Source: PyTorch 2.8, `c10/cuda/CUDACachingAllocator.cpp`, with the default configuration or with
/// `expandable_segments`. Not modelled: private pools of CUDA graphs, and frees that wait for an event of
/// another stream.
public struct CachingAllocator: Sendable {
  /// Requests are rounded up to multiples of this.
  public static let granule = 512
  /// The largest request of the small pool, and the largest rest of a large block that is not split off.
  public static let smallRequest = 1 << 20
  /// A segment of the small pool.
  public static let smallSegment = 2 << 20
  /// A segment of the large pool for requests below `ownSegment`.
  public static let largeSegment = 20 << 20
  /// From here on a request has a segment of its size, rounded to multiples of `segmentGranule`.
  public static let ownSegment = 10 << 20
  public static let segmentGranule = 2 << 20

  /// A block that is in use.
  public struct Block: Hashable, Sendable {
    fileprivate var index: Int32
  }

  private enum State: UInt8 { case used, free, unmapped }

  private struct Piece {
    var address: Int
    var size: Int
    /// Its neighbours in the segment, −1 at the ends.
    var previous: Int32
    var next: Int32
    var pool: Int32
    var state: State
  }

  /// A free piece in its pool's order: by size, then by address.
  private struct Free {
    var size: Int
    var address: Int
    var piece: Int32

    func isBefore(size other: Int, _ otherAddress: Int) -> Bool {
      size != other ? size < other : address < otherAddress
    }
  }

  /// Whether each pool has one segment that grows page by page.
  public let expandsSegments: Bool
  /// What all segments together may take; nil for no bound.
  public let limit: Int?
  /// Bytes of blocks in use and of segments.
  public private(set) var allocated = 0
  public private(set) var reserved = 0
  public private(set) var peakAllocated = 0
  public private(set) var peakReserved = 0

  private var pieces: [Piece] = []
  private var unused: [Int32] = []
  /// Free pieces by pool: two of each stream, small and large.
  private var free: [[Free]] = []
  /// The last piece of a pool's growing segment, −1 without one.
  private var ends: [Int32] = []
  /// Where the next segment begins.
  private var nextAddress = 0

  public init(expandsSegments: Bool = false, limit: Int? = nil) {
    self.expandsSegments = expandsSegments
    self.limit = limit
  }

  /// The bytes that a block for a request has at least.
  public static func rounded(_ bytes: Int) -> Int {
    max(granule, (bytes + granule - 1) / granule * granule)
  }

  /// The bytes of a new segment for a rounded request.
  public static func segment(for size: Int) -> Int {
    if size <= smallRequest { return smallSegment }
    if size < ownSegment { return largeSegment }
    return (size + segmentGranule - 1) / segmentGranule * segmentGranule
  }

  // MARK: Requests

  /// A block for a request; nil where the limit leaves no room, even without what is cached.
  ///
  /// - Complexity: O(log n + n) in the free blocks of the pool, the linear part a move of memory.
  public mutating func allocate(_ bytes: Int, stream: Int = 0) -> Block? {
    let size = Self.rounded(bytes)
    let isSmall = size <= Self.smallRequest
    let pool = 2 * stream + (isSmall ? 0 : 1)
    while free.count <= pool {
      free.append([])
      ends.append(-1)
    }
    guard let found = takeFree(size, pool) ?? grow(size, pool) else { return nil }
    let rest = pieces[Int(found)].size - size
    if isSmall || expandsSegments ? rest >= Self.granule : rest > Self.smallRequest {
      splitOff(rest, from: found)
    }
    pieces[Int(found)].state = .used
    allocated += pieces[Int(found)].size
    peakAllocated = max(peakAllocated, allocated)
    return Block(index: found)
  }

  /// Gives a block back to its pool.
  public mutating func release(_ block: Block) {
    let index = block.index
    precondition(pieces[Int(index)].state == .used, "a block is released once")
    allocated -= pieces[Int(index)].size
    pieces[Int(index)].state = .free
    join(index, withNext: true)
    insert(join(index, withNext: false))
  }

  // MARK: Free pieces

  private func position(_ size: Int, _ address: Int, in pool: Int) -> Int {
    var (low, high) = (0, free[pool].count)
    while low < high {
      let middle = (low + high) / 2
      if free[pool][middle].isBefore(size: size, address) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  private mutating func takeFree(_ size: Int, _ pool: Int) -> Int32? {
    let place = position(size, 0, in: pool)
    return place < free[pool].count ? free[pool].remove(at: place).piece : nil
  }

  private mutating func insert(_ index: Int32) {
    let piece = pieces[Int(index)]
    let pool = Int(piece.pool)
    free[pool].insert(
      Free(size: piece.size, address: piece.address, piece: index),
      at: position(piece.size, piece.address, in: pool))
  }

  private mutating func removeFree(_ index: Int32) {
    let piece = pieces[Int(index)]
    free[Int(piece.pool)].remove(
      at: position(piece.size, piece.address, in: Int(piece.pool)))
  }

  /// Joins a free piece with a free neighbour and gives the piece that stays.
  @discardableResult
  private mutating func join(_ index: Int32, withNext: Bool) -> Int32 {
    let other = withNext ? pieces[Int(index)].next : pieces[Int(index)].previous
    guard other >= 0, pieces[Int(other)].state == .free else { return index }
    removeFree(other)
    let (first, second) = withNext ? (index, other) : (other, index)
    pieces[Int(first)].size += pieces[Int(second)].size
    unlink(second)
    return first
  }

  /// Takes a piece out of its segment's chain.
  private mutating func unlink(_ index: Int32) {
    let piece = pieces[Int(index)]
    if piece.previous >= 0 { pieces[Int(piece.previous)].next = piece.next }
    if piece.next >= 0 { pieces[Int(piece.next)].previous = piece.previous }
    if ends[Int(piece.pool)] == index { ends[Int(piece.pool)] = piece.previous }
    unused.append(index)
  }

  private mutating func splitOff(_ rest: Int, from index: Int32) {
    pieces[Int(index)].size -= rest
    let piece = pieces[Int(index)]
    let made = make(
      Piece(
        address: piece.address + piece.size, size: rest, previous: index, next: piece.next,
        pool: piece.pool, state: .free))
    insert(made)
  }

  /// A new piece behind `previous`, linked on both sides.
  private mutating func make(_ piece: Piece) -> Int32 {
    let index: Int32
    if let known = unused.popLast() {
      index = known
      pieces[Int(index)] = piece
    } else {
      index = Int32(pieces.count)
      pieces.append(piece)
    }
    if piece.previous >= 0 { pieces[Int(piece.previous)].next = index }
    if piece.next >= 0 { pieces[Int(piece.next)].previous = index }
    if ends[Int(piece.pool)] >= 0, ends[Int(piece.pool)] == piece.previous {
      ends[Int(piece.pool)] = index
    }
    return index
  }

  // MARK: Segments

  private mutating func reserve(_ bytes: Int) -> Bool {
    if let limit, reserved + bytes > limit {
      releaseCached()
      if reserved + bytes > limit { return false }
    }
    reserved += bytes
    peakReserved = max(peakReserved, reserved)
    return true
  }

  /// A piece of new memory that is large enough for a request.
  private mutating func grow(_ size: Int, _ pool: Int) -> Int32? {
    if expandsSegments { return expand(size, pool) }
    let bytes = Self.segment(for: size)
    guard reserve(bytes) else { return nil }
    nextAddress += bytes
    return make(
      Piece(
        address: nextAddress - bytes, size: bytes, previous: -1, next: -1, pool: Int32(pool),
        state: .free))
  }

  private static func page(ofPool pool: Int) -> Int {
    pool % 2 == 0 ? smallSegment : largeSegment
  }

  /// Addresses that lie between the growing segments of two pools: whole pages of either size.
  private static let distance = largeSegment << 26

  private mutating func expand(_ size: Int, _ pool: Int) -> Int32? {
    let page = Self.page(ofPool: pool)
    func tail() -> Int32? {
      let end = ends[pool]
      return end >= 0 && pieces[Int(end)].state == .free ? end : nil
    }
    func missing() -> Int {
      (size - (tail().map { pieces[Int($0)].size } ?? 0) + page - 1) / page * page
    }
    guard reserve(missing()) else { return nil }
    // What was cached may have been given back meanwhile, the tail among it.
    let bytes = missing()
    if let end = tail() {
      removeFree(end)
      pieces[Int(end)].size += bytes
      return end
    }
    let end = ends[pool]
    let address =
      end >= 0 ? pieces[Int(end)].address + pieces[Int(end)].size : (pool + 1) * Self.distance
    let made = make(
      Piece(
        address: address, size: bytes, previous: end, next: -1, pool: Int32(pool), state: .free))
    ends[pool] = made
    return made
  }

  // MARK: Pressure

  /// Gives back segments that are free as a whole, or of growing ones the free pages.
  public mutating func releaseCached() {
    for pool in free.indices {
      for entry in free[pool] {
        if expandsSegments {
          unmapPages(of: entry.piece)
        } else if pieces[Int(entry.piece)].previous < 0, pieces[Int(entry.piece)].next < 0 {
          removeFree(entry.piece)
          reserved -= entry.size
          unlink(entry.piece)
        }
      }
    }
  }

  private mutating func unmapPages(of index: Int32) {
    let piece = pieces[Int(index)]
    let page = Self.page(ofPool: Int(piece.pool))
    let first = (piece.address + page - 1) / page * page
    let last = (piece.address + piece.size) / page * page
    guard last > first else { return }
    removeFree(index)
    reserved -= last - first
    let (head, rest) = (first - piece.address, piece.address + piece.size - last)
    pieces[Int(index)].address = first
    pieces[Int(index)].size = last - first
    pieces[Int(index)].state = .unmapped
    if head > 0 {
      insert(
        make(
          Piece(
            address: piece.address, size: head, previous: piece.previous, next: index,
            pool: piece.pool, state: .free)))
    }
    if rest > 0 {
      insert(
        make(
          Piece(
            address: last, size: rest, previous: index, next: piece.next, pool: piece.pool,
            state: .free)))
    }
  }
}

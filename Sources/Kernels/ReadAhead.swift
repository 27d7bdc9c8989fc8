import COpenBLAS

/// Memory that is read after the products which come next, and that these ask for while they are made.
///
/// A product of weights that lie near keeps a core busy and its memory at rest. Asking changes no bit. Only
/// products with vectors of 512 bits ask, a line for each step of k.
final class ReadAhead {
  /// As products take it; its address stays.
  let state: UnsafeMutablePointer<sluice_read_ahead>
  private var pieces: UnsafeMutablePointer<sluice_piece>
  private var capacity = 64
  private var bytes = 0

  /// The most that is asked for: half of a second cache of 1 MiB, so that weights and rows have room beside it.
  static let mostBytes = 1 << 19

  init() {
    pieces = .allocate(capacity: capacity)
    state = .allocate(capacity: 1)
    state.initialize(to: sluice_read_ahead(pieces: pieces, count: 0, piece: 0, offset: 0))
  }

  deinit {
    pieces.deallocate()
    state.deallocate()
  }

  /// Nothing is ahead.
  func forget() {
    bytes = 0
    state.pointee = sluice_read_ahead(pieces: pieces, count: 0, piece: 0, offset: 0)
  }

  /// `count` floats from `start` on are read after what is ahead already.
  func add(_ start: UnsafePointer<Float>, count: Int) {
    let own = min(4 * count, ReadAhead.mostBytes - bytes)
    guard own > 0 else { return }
    let place = state.pointee.count
    if place == capacity { grow() }
    pieces[place] = sluice_piece(
      start: UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), bytes: own)
    state.pointee.count += 1
    bytes += own
  }

  private func grow() {
    let larger = UnsafeMutablePointer<sluice_piece>.allocate(capacity: 2 * capacity)
    larger.update(from: pieces, count: capacity)
    pieces.deallocate()
    (pieces, capacity) = (larger, 2 * capacity)
    state.pointee.pieces = UnsafePointer(pieces)
  }
}

extension Workbench {
  /// What was said to be read next is not, or has been read.
  public func forgetWhatIsAhead() { ahead.forget() }

  /// Says that `count` floats from `start` on are read after the products that come next.
  public func willRead(_ start: UnsafePointer<Float>, count: Int) {
    ahead.add(start, count: count)
  }
}

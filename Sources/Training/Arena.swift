import Glibc
import Programs

/// The memory of one rank: aligned blocks out of one reserved range, with books of what lives.
///
/// Address-ordered first fit with joining of free neighbours: a step that repeats takes the same blocks
/// again, so memory does not grow over steps. Sizes are rounded up to 256 bytes, as the simulated
/// backend counts them.
final class Arena {
  /// Every block begins and ends at a multiple of this many bytes.
  static let alignment = 256

  private struct Hole {
    var start: Int
    var size: Int
  }

  private let base: UnsafeMutableRawPointer
  private let capacity: Int
  /// Free blocks below `top`, by address.
  private var holes: [Hole] = []
  /// The end of all blocks ever used.
  private(set) var top = 0
  private(set) var live = MemoryUse()
  /// What was live when the sum was largest.
  private(set) var peak = MemoryUse()

  init() {
    // Address space alone: pages cost memory when they are first written.
    var size = 1 << 38
    var range = UnsafeMutableRawPointer(bitPattern: -1)
    while size >= 1 << 28 {
      range = mmap(
        nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
      if range != UnsafeMutableRawPointer(bitPattern: -1) { break }
      size /= 2
    }
    guard let range, range != UnsafeMutableRawPointer(bitPattern: -1) else {
      preconditionFailure("The system gives no address space.")
    }
    base = range
    capacity = size
  }

  deinit { munmap(base, capacity) }

  static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) & ~(alignment - 1) }

  /// A block of at least `bytes` bytes, uninitialised, counted as `counted` bytes of a use.
  func acquire(_ bytes: Int, _ use: Buffer.Use, counted: Int? = nil) -> UnsafeMutableRawPointer {
    let size = Arena.aligned(bytes)
    live[use] += counted ?? size
    if live.total > peak.total { peak = live }
    if size == 0 { return base }
    if let index = holes.firstIndex(where: { $0.size >= size }) {
      let start = holes[index].start
      if holes[index].size == size {
        holes.remove(at: index)
      } else {
        holes[index].start += size
        holes[index].size -= size
      }
      return base + start
    }
    // A hole at the end grows into fresh memory.
    if let last = holes.last, last.start + last.size == top {
      holes.removeLast()
      top = last.start
    }
    let start = top
    top += size
    precondition(top <= capacity, "the rank's address space is used up")
    return base + start
  }

  /// Gives a block back that was acquired with the same sizes.
  func release(
    _ block: UnsafeMutableRawPointer, _ bytes: Int, _ use: Buffer.Use, counted: Int? = nil
  ) {
    let size = Arena.aligned(bytes)
    live[use] -= counted ?? size
    if size == 0 { return }
    let start = block - base
    var low = 0
    var high = holes.count
    while low < high {
      let middle = (low + high) / 2
      if holes[middle].start < start { low = middle + 1 } else { high = middle }
    }
    var hole = Hole(start: start, size: size)
    if low < holes.count, holes[low].start == start + size {
      hole.size += holes[low].size
      holes.remove(at: low)
    }
    if low > 0, holes[low - 1].start + holes[low - 1].size == start {
      holes[low - 1].size += hole.size
    } else {
      holes.insert(hole, at: low)
    }
  }

  /// Begins a new search for the peak, from what is live now.
  func resetPeak() { peak = live }

  /// Counts what lived at once in a step that takes the same blocks again.
  func raisePeak(to use: MemoryUse) {
    if use.total > peak.total { peak = use }
  }
}

/// Bytes of each use.
public struct MemoryUse: Hashable, Sendable {
  private var bytes = SIMD8<Int>()
  /// The bytes of all uses.
  public private(set) var total = 0

  /// No bytes of any use.
  public init() {}

  public subscript(use: Buffer.Use) -> Int {
    get { bytes[Int(use.rawValue)] }
    set {
      total += newValue - bytes[Int(use.rawValue)]
      bytes[Int(use.rawValue)] = newValue
    }
  }
}

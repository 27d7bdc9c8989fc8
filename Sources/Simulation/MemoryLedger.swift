import Programs

/// Live bytes of a rank by use, in issue order, with their peak.
public struct MemoryLedger: Hashable, Sendable {
  /// Every allocation starts at a multiple of this.
  public static let alignment = 256

  /// Live bytes per `Buffer.Use`.
  public private(set) var live = [Int](repeating: 0, count: Buffer.Use.allCases.count)
  /// Live bytes per use at the moment of the peak.
  public private(set) var peakParts = [Int](repeating: 0, count: Buffer.Use.allCases.count)
  public private(set) var total = 0
  public private(set) var peak = 0

  public init() {}

  public static func aligned(_ bytes: Int) -> Int {
    (bytes + alignment - 1) / alignment * alignment
  }

  mutating func acquire(_ bytes: Int, _ use: Buffer.Use) {
    let bytes = Self.aligned(bytes)
    live[Int(use.rawValue)] += bytes
    total += bytes
    if total > peak {
      peak = total
      peakParts = live
    }
  }

  mutating func release(_ bytes: Int, _ use: Buffer.Use) {
    let bytes = Self.aligned(bytes)
    live[Int(use.rawValue)] -= bytes
    total -= bytes
    precondition(live[Int(use.rawValue)] >= 0, "More is released than was acquired.")
  }

  /// Applies what an action did: its own peak above its start, and what it left behind.
  mutating func apply(_ record: MemoryChange) {
    if total + record.peak > peak {
      peak = total + record.peak
      for index in live.indices { peakParts[index] = live[index] + record.peakParts[index] }
    }
    for index in live.indices { live[index] += record.change[index] }
    total += record.change.reduce(0, +)
  }
}

/// What an action does to a rank's memory, relative to its start.
public struct MemoryChange: Hashable, Sendable {
  private(set) var change = Self.nothing
  private(set) var peakParts = Self.nothing
  private(set) var total = 0
  /// The highest point over the start; never below 0.
  private(set) var peak = 0

  /// By use; shared by all that have not changed anything yet.
  private static let nothing = [Int](repeating: 0, count: Buffer.Use.allCases.count)

  mutating func acquire(_ bytes: Int, _ use: Buffer.Use) {
    let bytes = MemoryLedger.aligned(bytes)
    change[Int(use.rawValue)] += bytes
    total += bytes
    if total > peak {
      peak = total
      peakParts = change
    }
  }

  mutating func release(_ bytes: Int, _ use: Buffer.Use) {
    let bytes = MemoryLedger.aligned(bytes)
    change[Int(use.rawValue)] -= bytes
    total -= bytes
  }
}

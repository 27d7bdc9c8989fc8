/// A span of simulated time, a whole number of picoseconds.
///
/// One byte at 400 GB/s is 2.5 ps, so nanoseconds would round small transfers to nothing; 64 bits
/// hold 106 days. An overflow is a fault of the program.
public struct Picoseconds: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The count.
  public var count: Int64

  /// A whole number of picoseconds.
  @inlinable public init(_ count: Int64) { self.count = count }

  /// A computed time, rounded to the nearest picosecond: the one place where rounding happens.
  @inlinable public init(_ time: Seconds) {
    let picoseconds = (time.value * 1e12).rounded(.toNearestOrEven)
    precondition(picoseconds.magnitude < 0x1p63, "a simulated time exceeds 106 days")
    count = Int64(picoseconds)
  }

  /// The span of no time.
  public static let zero = Picoseconds(0)

  /// The span in seconds, rounded to the nearest `Double`.
  @inlinable public var seconds: Seconds { Seconds(Double(count) / 1e12) }

  public var description: String { seconds.description }

  @inlinable public static func < (left: Self, right: Self) -> Bool { left.count < right.count }
  @inlinable public static func + (left: Self, right: Self) -> Self {
    Self(left.count + right.count)
  }
  @inlinable public static func - (left: Self, right: Self) -> Self {
    Self(left.count - right.count)
  }
  @inlinable public static func * (left: Self, right: Int) -> Self {
    Self(left.count * Int64(right))
  }
  @inlinable public static func += (left: inout Self, right: Self) { left.count += right.count }
  @inlinable public static func -= (left: inout Self, right: Self) { left.count -= right.count }
}

/// A point on the simulated clock, counted in picoseconds from the start of the step.
public struct Instant: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The time since the start.
  public var sinceStart: Picoseconds

  /// The point that lies `sinceStart` behind the start.
  @inlinable public init(_ sinceStart: Picoseconds) { self.sinceStart = sinceStart }

  /// The point that lies `count` picoseconds behind the start.
  @inlinable public init(picoseconds count: Int64) { sinceStart = Picoseconds(count) }

  /// The start of the clock.
  public static let start = Instant(.zero)

  /// The last point that the clock can show.
  public static let distantFuture = Instant(picoseconds: .max)

  /// The time since the start in picoseconds.
  @inlinable public var picoseconds: Int64 { sinceStart.count }

  public var description: String { sinceStart.description }

  @inlinable public static func < (left: Self, right: Self) -> Bool {
    left.sinceStart < right.sinceStart
  }
  @inlinable public static func + (left: Self, right: Picoseconds) -> Self {
    Self(left.sinceStart + right)
  }
  @inlinable public static func - (left: Self, right: Picoseconds) -> Self {
    Self(left.sinceStart - right)
  }
  @inlinable public static func - (left: Self, right: Self) -> Picoseconds {
    left.sinceStart - right.sinceStart
  }
  @inlinable public static func += (left: inout Self, right: Picoseconds) {
    left.sinceStart += right
  }
}

/// A quantity that is one `Double` in a base unit.
public protocol ContinuousQuantity: Quantity {
  /// The value in the base unit.
  var value: Double { get set }

  /// A value in the base unit; NaN is a fault of the program.
  init(_ value: Double)
}

extension ContinuousQuantity {
  /// The quantity of nothing.
  public static var zero: Self { Self(0) }

  /// Reads `200 GB/s`: a finite number, not negative, with its unit.
  public static func parse(_ text: String) -> Reading<Self> {
    switch split(text) {
    case .refused(let rule): return .refused(rule)
    case .value(let (decimal, unit)):
      let value = decimal.value * unit.numerator / unit.denominator
      guard value.isFinite else { return .refused("is too large; \(expectation)") }
      return .value(Self(value))
    }
  }

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
  public static func + (left: Self, right: Self) -> Self { Self(left.value + right.value) }
  public static func - (left: Self, right: Self) -> Self { Self(left.value - right.value) }
  public static func * (left: Self, right: Double) -> Self { Self(left.value * right) }
  public static func * (left: Double, right: Self) -> Self { Self(left * right.value) }
  public static func / (left: Self, right: Double) -> Self { Self(left.value / right) }

  /// The ratio of two quantities of a kind.
  public static func / (left: Self, right: Self) -> Double { left.value / right.value }

  public static func += (left: inout Self, right: Self) { left.value += right.value }
  public static func -= (left: inout Self, right: Self) { left.value -= right.value }
}

/// A span of time in seconds, as costs are computed; the simulated clock counts `Picoseconds`.
public struct Seconds: ContinuousQuantity {
  public var value: Double

  public init(_ value: Double) {
    precondition(!value.isNaN, "a time is not a number")
    self.value = value
  }

  public static let noun = "a time"
  public static let example = "3.7 us"
  public static let units: [UnitOfMeasure] = [
    .init("ps", 1, per: 1e12), .init("ns", 1, per: 1e9), .init("us", 1, per: 1e6),
    .init("µs", 1, per: 1e6), .init("ms", 1, per: 1e3), .init("s", 1), .init("min", 60),
    .init("h", 3600), .init("d", 86400),
  ]

  /// `3.70 us`, `48.3 s`, `2.66 min`, `26.4 h`: three significant figures.
  public var description: String { describeTime(value) }
  public var exactDescription: String { "\(value) s" }
}

/// A number of floating-point operations; a multiply-add is two.
public struct FLOPCount: ContinuousQuantity {
  public var value: Double

  public init(_ value: Double) {
    precondition(!value.isNaN, "a number of operations is not a number")
    self.value = value
  }

  public static let noun = "a number of floating-point operations"
  public static let example = "3.2 TFLOP"
  public static let units = prefixedUnits("FLOP")

  public var description: String {
    inPrefixedUnits(value, step: 1000, names: Self.units.map(\.name))
  }
  public var exactDescription: String { "\(value) FLOP" }

  /// How long this many operations take at a rate.
  public static func / (left: FLOPCount, right: FLOPsPerSecond) -> Seconds {
    Seconds(left.value / right.value)
  }

  /// The mean rate at which this many operations were done in a time.
  public static func / (left: FLOPCount, right: Seconds) -> FLOPsPerSecond {
    FLOPsPerSecond(left.value / right.value)
  }
}

/// A rate of floating-point operations, written `989 TFLOPS`.
public struct FLOPsPerSecond: ContinuousQuantity {
  public var value: Double

  public init(_ value: Double) {
    precondition(!value.isNaN, "a rate of operations is not a number")
    self.value = value
  }

  public static let noun = "a rate of floating-point operations"
  public static let example = "989 TFLOPS"
  public static let units = prefixedUnits("FLOPS") + prefixedUnits("FLOP/s")

  public var description: String {
    inPrefixedUnits(value, step: 1000, names: prefixedUnits("FLOPS").map(\.name))
  }
  public var exactDescription: String { "\(value) FLOPS" }

  /// How many operations a time holds at this rate.
  public static func * (left: FLOPsPerSecond, right: Seconds) -> FLOPCount {
    FLOPCount(left.value * right.value)
  }
}

/// A bandwidth in bytes per second; people may write it in bits (`400 Gb/s` is `50 GB/s`).
public struct BytesPerSecond: ContinuousQuantity {
  public var value: Double

  public init(_ value: Double) {
    precondition(!value.isNaN, "a bandwidth is not a number")
    self.value = value
  }

  public static let noun = "a bandwidth"
  public static let example = "200 GB/s"
  public static let units: [UnitOfMeasure] = [
    .init("B/s", 1), .init("kB/s", 1e3), .init("MB/s", 1e6), .init("GB/s", 1e9),
    .init("TB/s", 1e12), .init("PB/s", 1e15), .init("EB/s", 1e18), .init("KiB/s", 0x1p10),
    .init("MiB/s", 0x1p20), .init("GiB/s", 0x1p30), .init("TiB/s", 0x1p40),
    .init("b/s", 1, per: 8), .init("kb/s", 1e3, per: 8), .init("Mb/s", 1e6, per: 8),
    .init("Gb/s", 1e9, per: 8), .init("Tb/s", 1e12, per: 8),
  ]

  public var description: String {
    inPrefixedUnits(
      value, step: 1000, names: ["B/s", "kB/s", "MB/s", "GB/s", "TB/s", "PB/s", "EB/s"])
  }
  public var exactDescription: String { "\(value) B/s" }

  /// How many bytes pass in a time, to the nearest whole byte.
  public static func * (left: BytesPerSecond, right: Seconds) -> ByteCount {
    ByteCount(Int64((left.value * right.value).rounded()))
  }
}

/// A clock rate in hertz.
public struct Frequency: ContinuousQuantity {
  public var value: Double

  public init(_ value: Double) {
    precondition(!value.isNaN, "a frequency is not a number")
    self.value = value
  }

  public static let noun = "a frequency"
  public static let example = "1830 MHz"
  public static let units: [UnitOfMeasure] = [
    .init("Hz", 1), .init("kHz", 1e3), .init("MHz", 1e6), .init("GHz", 1e9),
  ]

  public var description: String {
    inPrefixedUnits(value, step: 1000, names: Self.units.map(\.name))
  }
  public var exactDescription: String { "\(value) Hz" }
}

/// A unit with the decimal prefixes from none to yotta.
private func prefixedUnits(_ unit: String) -> [UnitOfMeasure] {
  let factors = [1, 1e3, 1e6, 1e9, 1e12, 1e15, 1e18, 1e21, 1e24]
  return zip(["", "k", "M", "G", "T", "P", "E", "Z", "Y"], factors).map { prefix, factor in
    UnitOfMeasure(prefix + unit, factor)
  }
}

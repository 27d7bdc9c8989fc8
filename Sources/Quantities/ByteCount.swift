/// A number of bytes.
///
/// Differences may be negative; what people write may not.
public struct ByteCount: Quantity {
  /// The count.
  public var bytes: Int64

  /// A count that must fit in 64 bits.
  public init(_ bytes: some BinaryInteger) { self.bytes = Int64(bytes) }

  public static let zero = ByteCount(0)
  public static let noun = "a size"
  public static let example = "80 GiB"
  public static let units: [UnitOfMeasure] = [
    .init("B", 1), .init("kB", 1e3), .init("KB", 1e3), .init("MB", 1e6), .init("GB", 1e9),
    .init("TB", 1e12), .init("PB", 1e15), .init("EB", 1e18), .init("KiB", 0x1p10),
    .init("MiB", 0x1p20), .init("GiB", 0x1p30), .init("TiB", 0x1p40), .init("PiB", 0x1p50),
    .init("EiB", 0x1p60),
  ]

  /// Reads `80 GiB`; the result must be a whole number of bytes below 2^63.
  public static func parse(_ text: String) -> Reading<ByteCount> {
    switch split(text) {
    case .refused(let rule): return .refused(rule)
    case .value(let (decimal, unit)):
      guard let (digits, decimals) = decimal.scaled else {
        let value = decimal.value * unit.numerator
        guard value < 0x1p63 else { return .refused("must be less than 2^63 bytes") }
        guard value.rounded() == value else { return .refused("must be a whole number of bytes") }
        return .value(ByteCount(Int64(value)))
      }
      let divisor = (0..<decimals).reduce(UInt64(1)) { power, _ in power * 10 }
      let product = UInt64(digits).multipliedFullWidth(by: UInt64(unit.numerator))
      guard product.high < divisor else { return .refused("must be less than 2^63 bytes") }
      let (quotient, remainder) = divisor.dividingFullWidth(product)
      guard remainder == 0 else { return .refused("must be a whole number of bytes") }
      guard let bytes = Int64(exactly: quotient) else {
        return .refused("must be less than 2^63 bytes")
      }
      return .value(ByteCount(bytes))
    }
  }

  /// `80 GiB`: three significant figures with the binary prefix that fits.
  public var description: String {
    inPrefixedUnits(
      Double(bytes), step: 1024, names: ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
  }

  public var exactDescription: String { "\(bytes) B" }
}

extension ByteCount {
  public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

  public static func + (left: ByteCount, right: ByteCount) -> ByteCount {
    ByteCount(left.bytes + right.bytes)
  }

  public static func - (left: ByteCount, right: ByteCount) -> ByteCount {
    ByteCount(left.bytes - right.bytes)
  }

  public static func += (left: inout ByteCount, right: ByteCount) { left.bytes += right.bytes }
  public static func -= (left: inout ByteCount, right: ByteCount) { left.bytes -= right.bytes }

  public static func * (left: ByteCount, right: Int) -> ByteCount {
    ByteCount(left.bytes * Int64(right))
  }

  public static func * (left: Int, right: ByteCount) -> ByteCount { right * left }

  /// The ratio of two sizes.
  public static func / (left: ByteCount, right: ByteCount) -> Double {
    Double(left.bytes) / Double(right.bytes)
  }

  /// How long this many bytes take at a bandwidth.
  public static func / (left: ByteCount, right: BytesPerSecond) -> Seconds {
    Seconds(Double(left.bytes) / right.value)
  }

  /// The mean bandwidth at which this many bytes passed in a time.
  public static func / (left: ByteCount, right: Seconds) -> BytesPerSecond {
    BytesPerSecond(Double(left.bytes) / right.value)
  }
}

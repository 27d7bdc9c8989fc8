/// Energy over time, written `700 W`.
public struct Watts: ContinuousQuantity {
  public var value: Double

  public init(_ value: Double) {
    precondition(!value.isNaN, "a power is not a number")
    self.value = value
  }

  public static let noun = "a power"
  public static let example = "700 W"
  public static let units: [UnitOfMeasure] = [
    .init("W", 1), .init("kW", 1e3), .init("MW", 1e6),
  ]

  public var description: String {
    inPrefixedUnits(value, step: 1000, names: Self.units.map(\.name))
  }
  public var exactDescription: String { "\(value) W" }
}

/// An energy, written `0.9 pJ`.
public struct Joules: ContinuousQuantity {
  public var value: Double

  public init(_ value: Double) {
    precondition(!value.isNaN, "an energy is not a number")
    self.value = value
  }

  public static let noun = "an energy"
  public static let example = "0.9 pJ"
  public static let units: [UnitOfMeasure] = [
    .init("fJ", 1, per: 1e15), .init("pJ", 1, per: 1e12), .init("nJ", 1, per: 1e9),
    .init("uJ", 1, per: 1e6), .init("mJ", 1, per: 1e3), .init("J", 1),
  ]

  public var description: String {
    inPrefixedUnits(value * 1e15, step: 1000, names: Self.units.map(\.name))
  }
  public var exactDescription: String { "\(value) J" }
}

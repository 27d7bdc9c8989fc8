import Costs

/// How much the exchanges of a step depend on what one of their multiprocessors moves.
///
/// That differs between versions of the kernels and is known by its ends alone (`MultiprocessorRate`): what
/// is concluded from a step whose exchanges differ between them depends on which kernels run.
public struct ExchangeRange: Hashable, Sendable {
  /// Multiprocessors that an exchange takes.
  public var multiprocessors: Int
  /// What one of them moves, bytes of rows per second.
  public var rate: MultiprocessorRate
  /// Seconds of the payload of the longest exchange that differs, and at the ends of the rate.
  public var seconds: Double
  public var secondsAtLow: Double
  public var secondsAtHigh: Double
}

extension PlannedStep {
  /// How much the step's exchanges depend on what one of their multiprocessors moves; nil if not at all.
  public var exchangeRange: ExchangeRange? {
    pricing.exchange.range(input.stages, rows: input.balancedRows)
  }

  /// Seconds of the step at one end of that.
  ///
  /// Simulates it.
  public func stepSeconds(exchangingAt end: MultiprocessorRate.End) -> Double {
    Double(simulation(pricing.exchanging(at: end)).run().step) / 1e12
  }
}

import Models

extension Architecture {
  /// Bytes that stages tell each other of a microbatch's routers where these are trained by one loss over all
  /// layers (`joinedBalance`); else 0.
  ///
  /// With E experts an activation brings the sums of all layers in front, and a gradient those of all
  /// layers: by expert its probabilities in 64 bits and how many rows chose it in 32, and the rows in 32.
  public var carriedBalanceBytes: Int {
    guard joinedBalance > 0 else { return 0 }
    let experts = feedForwards.compactMap { $0.mixture?.routedExperts }.max() ?? 0
    return experts == 0 ? 0 : 12 * experts + 4
  }
}

extension LoweringSetting {
  /// What a message between stages has: an activation's rows, or its gradient's, and behind them as many
  /// more as hold what stages tell each other, at their end.
  func carried(behind rows: Rows, bytesPerRow: Int) -> Rows {
    guard purpose == .training, carriedBytes > 0 else { return rows }
    guard case .fixed(let count) = rows else {
      preconditionFailure("Stages send each other a fixed number of rows.")
    }
    return .fixed(count + (carriedBytes + bytesPerRow - 1) / bytesPerRow)
  }
}

/// How long the passes of one stage take, in any one unit: what the automatic schedules plan with.
public struct PassCosts: Hashable, Sendable {
  /// The forward pass of one microbatch through one stage.
  public var forward: Int
  /// The input-gradient half of the backward pass.
  public var backwardInput: Int
  /// The weight-gradient half of the backward pass.
  public var backwardWeight: Int
  /// Handing one activation or gradient to another rank.
  public var transfer: Int

  public init(forward: Int, backwardInput: Int, backwardWeight: Int, transfer: Int) {
    self.forward = forward
    self.backwardInput = backwardInput
    self.backwardWeight = backwardWeight
    self.transfer = transfer
  }
}

/// How long the passes of one stage take, in any one unit: what a timed dry run uses.
///
/// A whole backward pass takes the sum of its halves.
public struct PassTimes: Hashable, Sendable {
  public var forward: Double
  public var backwardInput: Double
  public var backwardWeight: Double
  /// Handing one activation or gradient to another rank; nothing between stages of one rank.
  public var transfer: Double
  /// A forward and a backward carried out as one.
  public var overlapped: Double

  /// Without `overlapped`, a pair takes as long as its parts one after the other.
  public init(
    forward: Double, backwardInput: Double, backwardWeight: Double, transfer: Double,
    overlapped: Double? = nil
  ) {
    self.forward = forward
    self.backwardInput = backwardInput
    self.backwardWeight = backwardWeight
    self.transfer = transfer
    self.overlapped = overlapped ?? forward + backwardInput + backwardWeight
  }

  /// The times of a stage of `schedule`, where these are those of a rank's share of the model: one
  /// `ranks`th of its layers.
  ///
  /// So schedules compare whose ranks hold different numbers of stages. A message takes what it takes.
  public func ofStage(in schedule: Schedule) -> PassTimes {
    ofStage(share: schedule.stageShare)
  }

  /// The times of a stage that is so large a part of a rank's share of the model.
  public func ofStage(share: Double) -> PassTimes {
    PassTimes(
      forward: forward * share, backwardInput: backwardInput * share,
      backwardWeight: backwardWeight * share, transfer: transfer, overlapped: overlapped * share)
  }

  public init(_ costs: PassCosts) {
    self.init(
      forward: Double(costs.forward), backwardInput: Double(costs.backwardInput),
      backwardWeight: Double(costs.backwardWeight), transfer: Double(costs.transfer))
  }

  /// How long `cell` occupies its rank; transfers occupy nothing.
  public func duration(of cell: Cell) -> Double {
    switch cell {
    case .idle, .send, .receive, .commit: 0
    case .overlapped: overlapped
    case .run(let action):
      switch action.pass {
      case .forward: forward
      case .backward: backwardInput + backwardWeight
      case .backwardInput: backwardInput
      case .backwardWeight: backwardWeight
      }
    }
  }
}

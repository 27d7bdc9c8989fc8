/// One unit of work on one pipeline stage, written `2F0`: stage 2, forward, microbatch 0.
///
/// `B` is the whole backward pass; `I` and `W` are its input-gradient and weight-gradient halves.
public struct Action: Hashable, Sendable {
  /// The pass that an action performs, with the letter that it has in the text form.
  public enum Pass: Character, Hashable, Sendable, CaseIterable {
    case forward = "F"
    case backward = "B"
    case backwardInput = "I"
    case backwardWeight = "W"
  }

  public var pass: Pass
  public var stage: Int
  public var microbatch: Int

  public init(_ pass: Pass, stage: Int, microbatch: Int) {
    self.pass = pass
    self.stage = stage
    self.microbatch = microbatch
  }
}

/// What crosses a stage boundary: an activation downwards or its gradient upwards.
public enum Boundary: Character, Hashable, Sendable, CaseIterable {
  case activation = "F"
  case gradient = "B"
}

/// One cell of a schedule: what a pipeline rank does next.
public enum Cell: Hashable, Sendable {
  /// An idle slot; an empty cell in the text form.
  case idle
  case run(Action)
  /// A forward and a backward carried out as one, written `(0F7;3B5)OVERLAP_F_B`.
  case overlapped(forward: Action, backward: Action)
  /// Sends what stage `stage` produced, written `2SEND_F0`.
  case send(Boundary, stage: Int, microbatch: Int)
  /// Receives what stage `stage` needs, written `3RECV_F0`: the receiving stage is named.
  case receive(Boundary, stage: Int, microbatch: Int)
  /// Ends a batched group: the sends and receives since the last one start together, and the rank
  /// goes on when all of them are complete.
  case commit
}

/// How long a wait may take.
public enum Timeout: Hashable, Sendable {
  /// As long as the world says (`--timeout`).
  case standard
  /// For ever.
  case never
  /// Until this much time has gone by.
  case after(Duration)

  /// The duration that applies where the world's own is `standard`; nil is for ever.
  public func duration(standard: Duration?) -> Duration? {
    switch self {
    case .standard: standard
    case .never: nil
    case .after(let duration): duration
    }
  }
}

/// The table of what one rank has under way, which requests point into.
///
/// A slot is taken when an operation starts and given back by `finish`. One rank has one transport,
/// shared by all its communicators, and uses it from one thread.
public protocol Transport: AnyObject {
  /// How long waits with `Timeout.standard` may take; nil is for ever.
  var timeout: Duration? { get }

  /// Moves messages along and returns at once.
  func progress() throws(MPIError)

  /// Whether the operation in the slot has ended; does not move anything along.
  func isComplete(_ slot: Int) -> Bool

  /// Waits for the operation in the slot and frees the slot, also when an error is thrown.
  ///
  /// - Returns: the bytes that were sent or received.
  func finish(_ slot: Int, _ timeout: Timeout) throws(MPIError) -> Int

  /// What the other ranks say that they wait for, or that they give no sign of life.
  ///
  /// - Parameter operation: what this rank waits for, which it answers to those that ask meanwhile.
  func callRoll(_ operation: PendingOperation) throws(MPIError) -> [String]

  /// Gives up the operation in the slot, after an error, and frees the slot.
  func abandon(_ slot: Int)
}

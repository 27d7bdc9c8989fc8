/// How sluice ends, as the shell sees it; the documented table of exit statuses.
///
/// Above 128 a process was ended by a signal: 137 is `kill -9`, 143 a SIGTERM that was not waited
/// out.
public enum ExitStatus: Int32, Hashable, Sendable, CaseIterable {
  /// Everything that was asked for was done; also after a stop that was asked for by SIGUSR1.
  case success = 0
  /// A file, a value, a plan or a rank count that cannot be used: the message names it.
  case badInput = 1
  /// A mistake in sluice itself.
  case internalFault = 2
  /// The loss or the gradient norm is no longer a number; the last checkpoint is good.
  case diverged = 3
  /// A checkpoint is damaged or of another model, or the disk refuses to read or write.
  case storage = 4
  /// Another rank is gone, or was waited for longer than `--timeout` allows.
  case peer = 5
  /// SIGINT or SIGTERM ended the run at a step's boundary.
  case interrupted = 6
  /// A comparison that was asked for (`parity`, `--check-simulation`) found a difference.
  case unequal = 7
  /// The command line itself is wrong (the BSD convention that swift-argument-parser follows).
  case usage = 64
}

extension ExitStatus {
  /// What the status means, for tables and help.
  public var meaning: String {
    switch self {
    case .success: "done"
    case .badInput: "a file, value, plan or rank count cannot be used"
    case .internalFault: "a mistake in sluice itself"
    case .diverged: "the loss or the gradient norm is not a number"
    case .storage: "a checkpoint is damaged or does not fit, or the disk refuses"
    case .peer: "another rank is gone or was waited for too long"
    case .interrupted: "SIGINT or SIGTERM ended the run at a step's boundary"
    case .unequal: "a comparison found a difference"
    case .usage: "the command line is wrong"
    }
  }
}

extension RunTrial {
  /// A run that takes longer than this many times its work never ends.
  static let patience = 1000.0
  /// Nor one that fails so often.
  static let mostFailures = 1_000_000
  /// Nor one that so many failures in a row let come no further than it was.
  static let mostFailuresInVain = 10_000
  /// Nor one with so many slow nodes that nobody has found.
  static let mostSlowNodes = 10_000
}

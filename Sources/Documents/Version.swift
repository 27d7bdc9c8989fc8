/// Which sluice this is: what `sluice --version` prints, and every JSON output and trace names.
public enum Version {
  /// Semantic: the second number changes with every release that changes a figure or an output.
  public static let current = "0.3.0"
}

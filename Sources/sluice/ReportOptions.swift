import ArgumentParser
import Documents
import Reports

/// The report of a command: one HTML file to look at.
struct ReportOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Write a report to look at: one HTML file with pictures and tables.",
      valueName: "file.html"),
    completion: .file(extensions: ["html"]))
  var report: String?

  /// Whether a report was asked for.
  var isGiven: Bool { report != nil }

  /// Where the report goes, looked at before anything is computed; nil without one.
  ///
  /// - Parameter others: what else the command reads and writes.
  func path(besides others: [String]) throws(ConfigurationError) -> OutputPath? {
    guard let report else { return nil }
    return try OutputPath(report, besides: others)
  }

  /// Writes a page, if a report was asked for; it is made only then.
  func write(_ page: @autoclosure () throws -> ReportPage, to path: OutputPath?) throws {
    try Self.write(page(), to: path)
  }

  /// The same where the option itself is not at hand.
  static func write(_ page: @autoclosure () throws -> ReportPage, to path: OutputPath?) throws {
    guard let path else { return }
    var made = try page()
    made.words = ["sluice"] + CommandLine.arguments.dropFirst()
    try OutputFile.write(made.html, to: path)
  }
}

import Documents
import Quantities

/// What the command line says of a job, and what of it anything read.
///
/// A class, since all files of a job read the same command line; what nothing reads is refused at the end, as
/// options without effect are everywhere.
final class ImportUse {
  let settings: ImportSettings
  /// Definitions that something read.
  private var used: Set<String> = []
  /// Names that a file takes from outside, or would.
  private var asked: Set<String> = []
  /// Where a script sets a name by itself before anything reads it.
  private var replaced: [String: (file: String, line: Int)] = [:]
  /// Whether `--job` chose anything.
  private var didChoose = false

  init(_ settings: ImportSettings) { self.settings = settings }

  /// The names that files take from outside and the values that the command line gives them alone.
  convenience init(definitions: [String: String]) {
    var settings = ImportSettings()
    settings.definitions = definitions
    self.init(settings)
  }

  /// What a name is defined as; nil where nobody defines it.
  func definition(of name: String) -> String? {
    asked.insert(name)
    guard let value = settings.definitions[name] else { return nil }
    used.insert(name)
    return value
  }

  /// A script sets a name by itself, so that a definition is lost unless it was read before.
  func replace(_ name: String, file: String, line: Int) {
    guard settings.definitions[name] != nil, replaced[name] == nil else { return }
    replaced[name] = (file, line)
  }

  /// The job that the command line chooses of a file that holds several; nil where it chooses none.
  func chosenJob() -> String? {
    didChoose = true
    return settings.job
  }

  /// Refuses what nothing read.
  func check() throws(ConfigurationError) {
    for (name, value) in settings.definitions.sorted(by: { $0.key < $1.key })
    where !used.contains(name) {
      if let (file, line) = replaced[name] {
        throw ConfigurationError(
          file: file, line: line, keyPath: name,
          rule: "is set here by the script itself: --define \(name)=\(value) has no effect")
      }
      throw ConfigurationError(
        file: "--define", keyPath: name, value: value,
        rule: "has no effect: nothing that counts in the files takes this name from outside",
        suggestion: nearestName(to: name, among: asked.subtracting([name]).sorted()))
    }
    if let job = settings.job, !didChoose {
      throw ConfigurationError(
        file: "--job", value: job, rule: "has no effect: the files hold one job")
    }
  }
}

import Documents
import Foundation

/// The text of the regular file at `path`, of at most 64 MiB.
public func inputText(_ path: String) throws(ConfigurationError) -> String {
  let largest = 1 << 26
  func failure(_ rule: String) -> ConfigurationError { .init(file: path, rule: rule) }
  guard !path.isEmpty, !path.utf8.contains(0) else { throw failure("is not a path") }
  let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
  guard let facts = try? FileManager.default.attributesOfItem(atPath: resolved) else {
    throw failure("cannot be opened: no such file, or no permission")
  }
  guard facts[.type] as? FileAttributeType == .typeRegular else { throw failure("is not a file") }
  guard let size = facts[.size] as? Int, size <= largest else {
    throw failure("is larger than 64 MiB")
  }
  guard let data = FileManager.default.contents(atPath: resolved) else {
    throw failure("cannot be read")
  }
  guard let text = String(data: data, encoding: .utf8) else { throw failure("is not UTF-8 text") }
  return text
}

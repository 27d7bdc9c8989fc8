import Documents
import Foundation
import Reports

/// Prints text that ends with its own newline.
func show(_ text: String) { print(text, terminator: "") }

/// Prints text, or writes it to a file.
func show(_ text: String, in path: String?) throws(ConfigurationError) {
  guard let path else { return show(text) }
  try OutputFile.write(text, to: path)
}

/// Overrides with or without the noun of the file that they are for: `model.hidden_size=4096`.
func withoutPrefix(_ noun: String, _ overrides: [String]) -> [String] {
  overrides.map { $0.hasPrefix("\(noun).") ? String($0.dropFirst(noun.count + 1)) : $0 }
}

/// Says something on the terminal beside the output.
func note(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

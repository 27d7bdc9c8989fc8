import Foundation

/// `value` as indented JSON: snake_case keys in alphabetical order, a newline at the end.
///
/// Equal values give equal bytes.
public func jsonText(_ value: some Encodable) throws -> String {
  try encoded(value, [.prettyPrinted]) + "\n"
}

/// The same on one line, without a newline.
public func jsonLine(_ value: some Encodable) throws -> String { try encoded(value, []) }

private func encoded(
  _ value: some Encodable, _ formatting: JSONEncoder.OutputFormatting
) throws -> String {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = formatting.union([.sortedKeys, .withoutEscapingSlashes])
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}

import Documents

/// A plan as a deployment's file with every setting spelled out, whose keys can be left out one by one.
public struct StatedKeys: Sendable {
  private let document: Document
  /// What the file says.
  public let plan: Plan

  public init(_ plan: Plan) throws(ConfigurationError) {
    try self.init(Document(text: plan.yaml, name: plan.name))
  }

  private init(_ document: Document) throws(ConfigurationError) {
    self.document = document
    plan = try .read(document, name: document.name, serves: true)
  }

  /// What says how something is called, and moves no figure.
  private static let labels: Set<String> = ["name", "source", "precision.name"]

  /// The paths of the keys that are there, a table in front of those within it.
  public var keys: [String] { document.keyPaths.filter { !Self.labels.contains($0) } }

  /// The same without a key; nil where it is not there, or what is left is no plan.
  public func without(_ key: String) -> StatedKeys? {
    document.removing(key).flatMap { try? StatedKeys($0) }
  }
}

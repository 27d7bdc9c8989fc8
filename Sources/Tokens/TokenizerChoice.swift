import Documents

/// Which tokenizer data are read by, from all who may say so: the person, the data, the model.
///
/// All who say it must say the same. A text is encoded by it; token numbers must have been.
public struct TokenizerChoice: Sendable {
  private let given: NamedTokenizer?
  private let key: String
  /// The file in which the key is written; nil on the command line.
  private let file: String?
  private let folder: String
  /// What lies beside the model's weights; an error where that cannot be read, which matters only where
  /// it is needed.
  private let beside: Result<NamedTokenizer?, ConfigurationError>

  /// Asks all but the data.
  ///
  /// - Parameters:
  ///   - given: `bytes` or a path, where the person named one.
  ///   - key: how the person names one, for messages: `--tokenizer`, `data.tokenizer`.
  ///   - file: where that key is written; nil on the command line.
  ///   - folder: the model's, in Hugging Face's layout; nil for a model without one.
  /// - Throws: `ConfigurationError` for a named tokenizer that cannot be read.
  public init(
    given: String?, key: String, in file: String? = nil, folder: String?
  ) throws(ConfigurationError) {
    self.given = try given.map { name throws(ConfigurationError) in
      try NamedTokenizer(named: name)
    }
    self.key = key
    self.file = file
    self.folder = folder ?? "the model"
    beside = Result { () throws(ConfigurationError) in
      try folder.flatMap { folder throws(ConfigurationError) in
        try NamedTokenizer(inFolder: folder)
      }
    }
  }

  /// What the person named, or what lies beside the model; both must be the same.
  private func known() throws(ConfigurationError) -> NamedTokenizer? {
    let model = try beside.get()
    try given?.require(model, of: folder, for: file ?? key, at: file == nil ? "" : key)
    return given ?? model
  }

  /// The tokenizer of some data.
  ///
  /// - Parameter fallback: what texts are encoded by where nobody says it; nil to ask.
  /// - Returns: nil where nobody says by which tokenizer the numbers were made.
  /// - Throws: `ConfigurationError` where two say different things, or where the answer matters and is
  ///   not known.
  public func tokenizer(
    of path: String, form: TokenData.Form, fallback: NamedTokenizer? = nil
  ) throws(ConfigurationError) -> NamedTokenizer? {
    switch form.resolved(for: path) {
    case .rows:
      // Rows say nothing themselves, and need no tokenizer; what the person says must be true.
      guard given == nil else { return try known() }
      return try? known()
    case .tokens:
      let known = try known()
      guard let own = try TokenFile.tokenizer(of: path) else {
        guard given == nil, let model = known else { return given }
        throw ConfigurationError(
          file: path,
          rule: "does not say by which tokenizer it was made, and \(folder) has \(model.name): "
            + "give \(key)")
      }
      try own.require(known, of: given == nil ? folder : key, for: path)
      return own
    case .text, .automatic:
      if let known = try known() ?? fallback { return known }
      throw unknown(for: path)
    }
  }

  /// The tokenizer of text that goes into the model or comes out of it.
  public func ofText(_ what: String) throws(ConfigurationError) -> NamedTokenizer {
    guard let known = try known() else { throw unknown(for: what) }
    return known
  }

  private func unknown(for what: String) -> ConfigurationError {
    ConfigurationError(
      file: what,
      rule: "is text, and nothing says by which tokenizer \(folder) reads it: give \(key), bytes "
        + "or the path of a tokenizer.json")
  }
}

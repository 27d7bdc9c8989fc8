/// What makes a run's numbers what they are, beside model, data and seed: for a checkpoint, which may
/// be gone on from with other ones.
public struct RunSettings: Hashable, Sendable {
  /// One of them, under the name that the run file has for it.
  public struct Setting: Hashable, Sendable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  public var settings: [Setting]

  /// Settings in the order in which changes are told.
  public init(settings: [Setting] = []) { self.settings = settings }

  /// In words, what differs from an earlier run: a line for each.
  ///
  /// What the earlier run did not write down, an older sluice, is passed over.
  public func changes(since earlier: RunSettings?) -> [String] {
    settings.compactMap { setting in
      guard let old = earlier?.settings.first(where: { $0.name == setting.name }),
        old.value != setting.value
      else { return nil }
      return "\(setting.name) was \(old.value) up to here and is \(setting.value) from here on"
    }
  }
}

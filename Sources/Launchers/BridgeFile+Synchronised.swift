extension BridgeFile {
  /// Options that Megatron-Bridge sets in `ddp` and in `optimizer` where either asks for them
  /// (067f987, training/config.py, `_validate_and_sync_distributed_optimizer_settings`), and whether recipes set both.
  private static let shared: [(name: String, isOfBase: Bool)] = [
    ("use-distributed-optimizer", true), ("overlap-param-gather", false),
  ]

  /// The options, where a `false` of `ddp` or `optimizer` beside a `true` of the other has a name that nobody reads.
  ///
  /// - Parameter hasBase: whether a recipe begins with what its base sets.
  static func synchronised(_ options: [GivenOption], hasBase: Bool = false) -> [GivenOption] {
    var result = options
    for (name, isOfBase) in shared {
      var last: [String: Bool] = [:]
      for option in options where option.name == name {
        guard let section = section(of: option) else { continue }
        last[section] = isOn(option)
      }
      let isSet = last.values.contains(true) || (hasBase && isOfBase && last.count == 1)
      guard isSet else { continue }
      for (index, option) in result.enumerated()
      where option.name == name && section(of: option) != nil && !isOn(option) {
        result[index].name += "-beside"
      }
    }
    return result
  }

  /// `ddp` or `optimizer`; nil for an option of another section.
  private static func section(of option: GivenOption) -> String? {
    let parts = option.spelling.split(separator: ".").drop { $0 == "cfg" }
    return parts.first.map(String.init).flatMap { ["ddp", "optimizer"].contains($0) ? $0 : nil }
  }

  private static func isOn(_ option: GivenOption) -> Bool {
    !["false", "0"].contains(option.text.lowercased())
  }
}

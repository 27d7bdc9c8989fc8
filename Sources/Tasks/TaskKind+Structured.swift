import Documents

extension TaskKind {
  /// Three keys with digits, or five with numbers of two digits.
  func structured(_ tier: Int, _ chance: inout TaskChance) -> TaskQuestion {
    let values = tier == 1 ? 0...9 : 10...99
    let keys = chance.some(tier == 1 ? 3 : 5, of: Self.letters)
    func entries(_ keys: [String]) -> [JSONValue.Entry] {
      keys.map { .init(key: $0, value: .integer(chance.number(in: values))) }
    }
    func question(_ text: String, _ answer: JSONValue) -> TaskQuestion {
      TaskQuestion(self, tier: tier, text: "\(text)=", answer: answer.compact)
    }
    switch self {
    case .jsonList:
      let entries = entries(keys)
      let list = entries.map { "\($0.key):\($0.value.compact)" }.joined(separator: ",")
      return question(list, .table(entries.sorted { $0.key < $1.key }))
    case .jsonAdd:
      let entries = entries(keys)
      let last = entries[entries.count - 1]
      return question(
        "\(JSONValue.table(entries.dropLast()).compact)+\(last.key):\(last.value.compact)",
        .table(entries))
    case .jsonSort:
      let entries = entries(keys)
      return question(
        "\(JSONValue.table(entries).compact)^", .table(entries.sorted { $0.key < $1.key }))
    case .jsonMend:
      let right = JSONValue.table(entries(Array(keys.dropLast()).sorted())).compact
      // Digits are what cannot be mended.
      let places = right.indices.filter { "{}\":,".contains(right[$0]) }
      var broken = right
      broken.remove(at: chance.element(of: places))
      return TaskQuestion(self, tier: tier, text: "\(broken)~=", answer: right)
    default:
      let keys = Array(keys.prefix(tier == 1 ? 2 : 3))
      let rows = (0..<keys.count).map { _ in entries(keys) }
      let lines =
        [keys.joined(separator: ",")]
        + rows.map { $0.map(\.value.compact).joined(separator: ",") }
      return TaskQuestion(
        self, tier: tier, text: "\(JSONValue.list(rows.map { .table($0) }).compact)=",
        answer: lines.joined(separator: "\n"))
    }
  }
}

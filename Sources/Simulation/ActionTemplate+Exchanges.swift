extension ActionTemplate {
  /// By step of the script: the exchanges whose rows decide what it takes.
  func exchanges(of script: ActionScript) -> [ExchangeSet] {
    if let knownExchanges { return knownExchanges }
    let pieces = pieces(of: script, slowness: 1)
    let made = script.steps.map { step in
      var exchanges = ExchangeSet()
      switch step {
      case .compute(let range):
        let run = pieces.runs[range.lowerBound]
        for exchange in run.forwardExchanges { exchanges.insert(exchange, isForward: true) }
        for exchange in run.backwardExchanges { exchanges.insert(exchange, isForward: false) }
      case .convert(let place):
        let start = script.conversions[place]
        if let exchange = start.program.operations[start.number].kernel.rows?.exchange {
          exchanges.insert(exchange, isForward: false)
        }
      case .start(let place):
        let sending = script.transfers[place]
        if let exchange = sending.exchange {
          exchanges.insert(exchange, isForward: sending.instance.pass == .forward)
        }
      case .wait: break
      }
      return exchanges
    }
    knownExchanges = made
    return made
  }
}

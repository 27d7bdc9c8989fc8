import Quantities
import TestSupport
import Testing

@Suite struct ParsingTests {
  @Test func bandwidths() {
    #expect(BytesPerSecond.parse("200 GB/s").value == BytesPerSecond(200e9))
    #expect(BytesPerSecond.parse("400 Gb/s").value == BytesPerSecond(50e9))
    #expect(BytesPerSecond.parse("3.35TB/s").value == BytesPerSecond(3.35e12))
    #expect(BytesPerSecond.parse("1 EB/s").value == BytesPerSecond(1e18))
  }

  @Test func timesAndRates() {
    #expect(Seconds.parse("3.7 us").value == Seconds(3.7e-6))
    #expect(Seconds.parse("3.7 µs").value == Seconds(3.7e-6))
    #expect(Seconds.parse("2.5e-3 s").value == Seconds(0.0025))
    #expect(FLOPsPerSecond.parse("989 TFLOPS").value == FLOPsPerSecond(989e12))
    #expect(FLOPsPerSecond.parse("989 TFLOP/s").value == FLOPsPerSecond(989e12))
    #expect(FLOPCount.parse("3 EFLOP").value == FLOPCount(3e18))
    #expect(Frequency.parse("1830 MHz").value == Frequency(1.83e9))
  }

  @Test func sizesAreExact() {
    #expect(ByteCount.parse("80 GiB").value == ByteCount(80 << 30))
    #expect(ByteCount.parse("1.001 GB").value == ByteCount(1_001_000_000))
    #expect(ByteCount.parse("0.5 KiB").value == ByteCount(512))
    #expect(ByteCount.parse("9223372036854775807 B").value == ByteCount(Int64.max))
    #expect(ByteCount.parse("1e3 B").value == ByteCount(1000))
    #expect(ByteCount.parse("9223372036854775808 B").value == nil)
    #expect(ByteCount.parse("8192 PiB").value == nil)
    #expect(ByteCount.parse("1 EiB").value == ByteCount(Int64(1) << 60))
    #expect(ByteCount.parse("8 EiB").value == nil)
    #expect(ByteCount.parse("0.3 B").refusal == "must be a whole number of bytes")
    #expect(ByteCount.parse("1e400 B").value == nil)
  }

  @Test(arguments: [
    "", " ", "GB/s", "200", "200 GBs", "-200 GB/s", "+200 GB/s", "nan GB/s", "inf GB/s",
    "0x10 GB/s", "1e999 GB/s", "200 GB/s ", "200 gb/s", "200 GB/s/s", "1_000 GB/s", "2 00 GB/s",
    ".5 GB/s", "5. GB/s", "1,5 GB/s", "٣ GB/s", "200\tGB/s", "200 GB/s\n",
  ])
  func refusals(_ text: String) {
    let rule = BytesPerSecond.parse(text).refusal
    #expect(rule?.contains("a bandwidth such as 200 GB/s") == true)
    #expect(rule?.contains("kB/s, MB/s, GB/s") == true)
  }

  @Test func unknownUnitNamesTheNearest() {
    #expect(BytesPerSecond.parse("200 GBs").refusal?.hasSuffix("did you mean GB/s?") == true)
    #expect(Seconds.parse("3 usec").refusal?.contains("unknown unit") == true)
    #expect(Seconds.parse("3").refusal?.hasPrefix("a unit is missing") == true)
    #expect(Seconds.parse("-3 s").refusal?.hasPrefix("must not be negative") == true)
  }

  /// What is printed exactly is read back to the bit.
  @Test func exactDescriptionsRoundTrip() {
    var generator = SplitMix64(state: 20_241_227)
    for _ in 0..<2000 {
      let value = Double(bitPattern: generator.next() >> 2)
      guard value.isFinite, value >= 0 else { continue }
      #expect(Seconds.parse(Seconds(value).exactDescription).value == Seconds(value))
      #expect(
        BytesPerSecond.parse(BytesPerSecond(value).exactDescription).value == BytesPerSecond(value))
      let size = ByteCount(generator.next() >> 1)
      #expect(ByteCount.parse(size.exactDescription).value == size)
    }
  }
}

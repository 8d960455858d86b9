#include "base/histogram.h"

#include "test/test.h"

using namespace sluice;

TEST("every latency falls into one bucket, in order, and no bucket is wider than 3.2 per cent") {
  CHECK_EQ(histogramBucket(0), 0U);
  CHECK_EQ(histogramBucket((1ULL << kHistogramMinShift) - 1), 0U);
  CHECK_EQ(histogramBucket(1ULL << kHistogramMinShift), 1U);
  CHECK_EQ(histogramBucket((1ULL << kHistogramMaxShift) - 1), kHistogramBuckets - 2);
  CHECK_EQ(histogramBucket(1ULL << kHistogramMaxShift), kHistogramBuckets - 1);
  CHECK_EQ(histogramBucket(~0ULL), kHistogramBuckets - 1);

  std::uint64_t begin = 1ULL << kHistogramMinShift;
  for (std::size_t bucket = 1; bucket < kHistogramBuckets - 1; ++bucket) {
    // The last value of this bucket, by bisection.
    std::uint64_t low = begin;
    std::uint64_t high = begin * 2;
    while (low + 1 < high) {
      const std::uint64_t middle = (low + high) / 2;
      (histogramBucket(middle) <= bucket ? low : high) = middle;
    }
    CHECK_EQ(histogramBucket(begin), bucket);
    CHECK_EQ(histogramBucket(low), bucket);
    CHECK_EQ(histogramBucket(low + 1), bucket + 1);
    CHECK((low + 1 - begin) * 1000 <= begin * 32);
    begin = low + 1;
  }
}

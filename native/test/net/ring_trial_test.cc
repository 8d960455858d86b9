#include "net/ring_trial.h"

#include "test/test.h"

using namespace sluice;
using namespace sluice::test;

TEST("Linux 6.12 and later pass, older ones and what is no version do not, and it is said why") {
  for (const char* release : {"6.12", "6.12.0", "6.12.100+deb12-amd64", "6.18.44-fc-v657", "7.0.1",
                              "7.0-rc5", "10.0", "6.100.2"}) {
    CHECK_EQ(net::ringDoubtOf(release), "");
  }
  for (const char* release :
       {"6.11.11", "6.8.0-94-generic", "6.1.0-47-amd64", "5.15.0", "6.6", "4.18.0-553.el8"}) {
    CHECK_EQ(net::ringDoubtOf(release), "Linux " + std::string(release) + " is older than 6.12");
  }
  for (const char* release : {"", "6", "6.", "six.twelve", "6-12"}) {
    CHECK_EQ(net::ringDoubtOf(release),
             "Linux " + std::string(release) + ": no version that is known");
  }
}

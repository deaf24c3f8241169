// A file of a few lines and a hundred thousand lines of headers.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <regex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

int main()
{
    std::regex expression("a*b");
    std::map<std::string, std::vector<int>> lists;
    std::unordered_map<int, std::string> names;
    std::sort(lists["a"].begin(), lists["a"].end());
    std::async([] { return 1; }).get();
    std::cout << std::regex_match("aab", expression) << std::filesystem::current_path();
}
